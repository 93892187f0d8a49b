"""What a fault switch's words explain: they are read from spans, where anybody may have written them."""

import pytest

from cardnet.faults import Switch
from cardnet.traces.switches import explains, unsent


def words(kind: str, **more: object) -> str:
    return Switch(id=1, hop="network-issuer", kind=kind, **more).words  # type: ignore[arg-type]


ERROR, REQUEST, ANSWER = words("error", error="INTERNAL"), words("drop request"), words("drop answer")
TWICE, LATER = words("duplicate"), words("latency", latency_ms=60_000)


@pytest.mark.parametrize(
    ("switch", "explained", "held_back"),
    [
        (ERROR, True, True),
        (REQUEST, True, True),
        (ANSWER, True, False),
        (TWICE, False, False),
        (LATER, True, True),
        (words("latency", latency_ms=100), False, False),
        (f"{words('latency', latency_ms=100)}; {ANSWER}", True, False),
        (f"{TWICE}; {REQUEST}", True, True),
        ("", False, False),
        ("the moon was full", False, False),
        ("each request arrives ,,, ms later", False, False),
    ],
)
def test_what_a_switch_did_explains_a_failure_or_does_not(switch: str, explained: bool, held_back: bool) -> None:
    for fault in ("DEADLINE_EXCEEDED", "UNAVAILABLE"):
        assert (explains(switch, fault, 1_500.0), unsent(switch, fault, 1_500.0)) == (explained, held_back)


@pytest.mark.parametrize("switch", [ERROR, REQUEST, ANSWER, TWICE, LATER])
def test_where_nothing_failed_nothing_is_explained(switch: str) -> None:
    assert not explains(switch, "", 0.0) and not unsent(switch, "", 0.0)
