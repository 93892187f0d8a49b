"""Time limits that a busy machine does not reach, so that no outcome depends on how fast it is."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

Settings = Mapping[str, Mapping[str, str]]

AMPLE_S = 120.0
"""How long a test waits for what must come about. It ends one that waits in vain, and decides nothing else."""

STORE_TIMEOUT_S = 15.0
STORE_S = str(STORE_TIMEOUT_S)

TRACE_S, TRACE_BEGINS_S = 25.0, 10.0
"""How long a trace may take to be complete, and its first span to come."""

_PATIENT: Settings = {
    "merchant": {"acquirer_timeout_s": "21", "tsp_timeout_s": "14", "store_timeout_s": STORE_S},
    "acquirer": {"network_timeout_s": "19", "store_timeout_s": STORE_S},
    "network": {"tsp_timeout_s": "9", "issuer_timeout_s": "9", "store_timeout_s": STORE_S},
    "tsp": {"issuer_timeout_s": "12", "store_timeout_s": STORE_S},
    "issuer": {"store_timeout_s": STORE_S},
}

_OUTLASTING = {"store_timeout_s": "24"}

DISTURBED: Settings = {
    "merchant": {"acquirer_timeout_s": "21", "tsp_timeout_s": "7", **_OUTLASTING},
    "acquirer": {"network_timeout_s": "14", **_OUTLASTING},
    "network": {"tsp_timeout_s": "7", "issuer_timeout_s": "7", **_OUTLASTING},
    "tsp": {"issuer_timeout_s": "6", **_OUTLASTING},
    "issuer": _OUTLASTING,
}
"""Where what is lost is waited for, in time that leaps: shorter than a store's limit, which it must not reach, and so
that whoever waited has seconds left in which to say so to its own caller."""


def patient(settings: Settings | None = None) -> dict[str, dict[str, str]]:
    """Settings for LocalNetwork: these, and patience where they say nothing else."""
    given = settings or {}
    return {name: {**_PATIENT.get(name, {}), **given.get(name, {})} for name in {**_PATIENT, **given}}


_limits: set[asyncio.Timeout] = set()


@asynccontextmanager
async def ample(seconds: float = AMPLE_S) -> AsyncIterator[None]:
    """A limit of a test's own: so much time that really passes, however far it leaps meanwhile (leap.py)."""
    async with asyncio.timeout(seconds) as limit:
        _limits.add(limit)
        try:
            yield
        finally:
            _limits.discard(limit)


def put_off(seconds: float) -> None:
    """Let the limits that run now end so much later: time is about to leap as far."""
    for limit in _limits:
        when = limit.when()
        if when is not None and not limit.expired():
            limit.reschedule(when + seconds)
