"""Time limits that a busy machine does not reach, so that no outcome depends on how fast it is."""

from collections.abc import Mapping

Settings = Mapping[str, Mapping[str, str]]

STORE_TIMEOUT_S = 15.0
STORE_S = str(STORE_TIMEOUT_S)

_PATIENT: Settings = {
    "merchant": {"acquirer_timeout_s": "21", "tsp_timeout_s": "14", "store_timeout_s": STORE_S},
    "acquirer": {"network_timeout_s": "19", "store_timeout_s": STORE_S},
    "network": {"tsp_timeout_s": "9", "issuer_timeout_s": "9", "store_timeout_s": STORE_S},
    "tsp": {"issuer_timeout_s": "12", "store_timeout_s": STORE_S},
    "issuer": {"store_timeout_s": STORE_S},
}


def patient(settings: Settings | None = None) -> dict[str, dict[str, str]]:
    """Settings for LocalNetwork: these, and patience where they say nothing else."""
    given = settings or {}
    return {name: {**_PATIENT.get(name, {}), **given.get(name, {})} for name in {**_PATIENT, **given}}
