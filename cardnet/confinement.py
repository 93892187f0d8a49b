"""What must not leave a process that holds card numbers: its memory, and the bytes of its calls."""

import ctypes
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress

from cardnet.config import SettingMissing

TELLTALES = {
    "GRPC_TRACE": "it prints every message, card numbers and all",
    "SSLKEYLOGFILE": "with the keys of all connections everything in them can be read",
}
"""Debug switches of others with which a service does not start, and why."""

_PR_SET_DUMPABLE = 4
"""prctl(2): with 0 there is no core dump, and nobody else of this user may read our memory."""


def keep_secrets_in(environ: Mapping[str, str]) -> None:
    """Refuse the switches that would print secrets, and leave no core behind. SettingMissing names the switch."""
    for name, why in TELLTALES.items():
        if environ.get(name):
            raise SettingMissing(f"{name} is set and {why}: unset it; `cardnet trace` shows calls with secrets masked")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # a core that is piped to a program asks no limit
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
