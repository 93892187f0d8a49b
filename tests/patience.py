"""Time limits that a busy machine does not reach, so that no outcome depends on how fast it is."""

from collections.abc import Mapping

Settings = Mapping[str, Mapping[str, str]]

_PATIENT: Settings = {
    "merchant": {"acquirer_timeout_s": "9", "tsp_timeout_s": "9", "store_timeout_s": "9"},
    "acquirer": {"network_timeout_s": "8", "store_timeout_s": "9"},
    "network": {"tsp_timeout_s": "7", "issuer_timeout_s": "7", "store_timeout_s": "9"},
    "tsp": {"issuer_timeout_s": "7", "store_timeout_s": "9"},
    "issuer": {"store_timeout_s": "9"},
}


def patient(settings: Settings | None = None) -> dict[str, dict[str, str]]:
    """Settings for LocalNetwork: these, and patience where they say nothing else."""
    given = settings or {}
    return {name: {**_PATIENT.get(name, {}), **given.get(name, {})} for name in {**_PATIENT, **given}}
