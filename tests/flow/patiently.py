"""Networks that other processes start, patient as those that tests start themselves: only how long is waited differs.

As a program it is the command line: `python patiently.py up`. As a plugin of pytest's it is for `cardnet_network`.
"""

import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from patience import TRACE_BEGINS_S, TRACE_S, patient


def be_patient() -> None:
    """Have every network of this process be so."""
    from cardnet.testing import LocalNetwork, remote
    from cardnet.testing import network as local
    from cardnet.traces import archive

    begin = LocalNetwork.__init__

    def patiently(
        network: LocalNetwork, *, settings: Mapping[str, Mapping[str, str]] | None = None, **more: Any
    ) -> None:
        begin(network, settings=patient(settings), **more)

    LocalNetwork.__init__ = patiently
    archive.BEGINS_WITHIN_S = TRACE_BEGINS_S
    local.TRACE_TIMEOUT_S = remote.TRACE_TIMEOUT_S = TRACE_S


def pytest_collection_modifyitems(items: "Sequence[pytest.Item]") -> None:
    """Only where a test wants a network: to know what one is costs those that want none too much."""
    if any("network" in name for item in items for name in getattr(item, "fixturenames", ())):
        be_patient()


if __name__ == "__main__":
    be_patient()
    runpy.run_module("cardnet.cli", run_name="__main__", alter_sys=True)
