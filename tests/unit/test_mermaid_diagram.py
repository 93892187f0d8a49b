"""An authorisation in Mermaid's language."""

import re

import pytest
from recorded import ID, RUBBISH, TOKEN, TOLD, answered, answering, asking, refused, step

from cardnet.steps import STEPS
from cardnet.traces.mermaid import mermaid
from cardnet.traces.trace import Trace

PARTY = "(cardholder|merchant|acquirer|network|tsp|issuer)"
LINES = (
    "sequenceDiagram",
    r"    title [^\n]+",
    rf"    (actor|participant) {PARTY}",
    rf"    {PARTY}(->>|-->>|-x|--x|--\)){PARTY}: [1-9] [A-Za-z]+[^\n]*",
    rf"    Note over {PARTY},{PARTY}: [^\n]+",
)
SILENT = Trace(ID, (*asking(), TOLD, step(5, "DEADLINE_EXCEEDED", **TOKEN), *answering("91")))


@pytest.mark.parametrize(
    "trace", [answered("00"), refused("TOKEN_DELETED", "78"), SILENT, RUBBISH, Trace("", ())], ids=range(5)
)
def test_every_line_is_of_the_language(trace: Trace) -> None:
    lines = mermaid(trace).removesuffix("\n").split("\n")
    for line in lines:
        assert any(re.fullmatch(kind, line) for kind in LINES), line
        said = line.replace("<br/>", "").partition(": ")[2]
        assert not re.search(r"[;#<>{}\"`]", said)
        assert line.isprintable()
        assert len(line) < 700
    arrows = [line for line in lines if re.match(LINES[3], line)]
    assert [int(line.partition(": ")[2][0]) for line in arrows] == [step.number for step in STEPS]


def test_the_diagram_says_who_decided_below_the_step() -> None:
    lines = mermaid(refused("MERCHANT_NOT_ALLOWED", "57")).splitlines()
    at = next(at for at, line in enumerate(lines) if "decided here" in line)
    assert lines[at - 1].startswith("    network->>tsp: 4 Detokenise<br/>")
    assert "MERCHANT0000002 (books.example) is not in the token's domain" in lines[at].replace("<br/>", " ")
    assert max(map(len, lines[at].partition(": ")[2].split("<br/>"))) <= 40
    assert "    network--)issuer: 5 Authorise<br/>not asked: step 4 refused" in lines


def test_a_call_that_failed_ends_in_a_cross() -> None:
    assert "    issuer--xnetwork: 6 Authorise answer<br/>no answer in time" in mermaid(SILENT).splitlines()


def test_what_is_missing_is_noted() -> None:
    assert mermaid(Trace(ID, (), ["a; b"])).splitlines()[-1] == "    Note over cardholder,issuer: missing: a? b"
