"""The sequence picture as an SVG: what it shows, and that nobody's spans can do more than be shown."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from recorded import ID, RUBBISH, TOKEN, TOLD, answered, answering, asking, refused, step

from cardnet.traces.drawing import STYLE, document, draw
from cardnet.traces.lettering import Piece, broken
from cardnet.traces.sheet import DRAWN
from cardnet.traces.timing import bars, spoken, timings
from cardnet.traces.trace import Trace

WRONG_MERCHANT = refused("MERCHANT_NOT_ALLOWED", "57")
SILENT = Trace(ID, (*asking(), TOLD, step(5, "DEADLINE_EXCEEDED", **TOKEN, pan="••••1111"), *answering("91")))
TRACES = {
    "approved": answered("00"),
    "wrong merchant": WRONG_MERCHANT,
    "silent issuer": SILENT,
    "replay": Trace(ID, (step(1, amount_minor="1240"), *answering("00", 9))),
    "nothing": Trace(ID, (), ["the checkout has not ended, or the merchant's record of it has not come"]),
    "rubbish": RUBBISH,
}
SVG = "{http://www.w3.org/2000/svg}"


def parsed(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)  # noqa: S314 - we drew it


def rows_of(trace: Trace) -> list[tuple[str, str]]:
    """Each row's classes and its text."""
    groups = parsed(document(trace)).iter(f"{SVG}g")
    return [(group.get("class", ""), " ".join(filter(None, group.itertext()))) for group in groups]


@pytest.mark.parametrize("name", TRACES)
def test_the_document_is_well_formed_and_names_itself(name: str) -> None:
    root = parsed(document(TRACES[name]))
    assert root.get("role") == "img"
    assert [child.tag.removeprefix(SVG) for child in root][:3] == ["title", "desc", "style"]
    assert all(root[at].text for at in (0, 1))
    assert len(list(root.iter(f"{SVG}g"))) == 9


@pytest.mark.parametrize("name", TRACES)
def test_what_stands_in_a_page_has_no_style_script_or_identifier(name: str) -> None:
    drawn = draw(TRACES[name])
    parsed(drawn)
    assert not re.search(r"<style|<script|\sstyle=|\sid=|\son[a-z]+=|href", drawn)
    assert drawn == draw(TRACES[name])


def test_every_class_has_its_rule() -> None:
    drawn = "".join(map(draw, TRACES.values()))
    used = {name for names in re.findall(r'class="([^"]+)"', drawn) for name in names.split()}
    without = {"seq-row", "seq-said"}  # they look like the rest
    assert used - without <= set(re.findall(r"\.(seq[a-z-]*)", STYLE))


def test_the_step_that_decided_is_marked_in_words_and_shape() -> None:
    marked = [(classes, text) for classes, text in rows_of(WRONG_MERCHANT) if "decided here" in text]
    [(classes, text)] = marked
    assert "seq-refused" in classes
    assert "◆ decided here, on DE42 merchant id" in text
    assert ["seq-approved" in classes for classes, _ in rows_of(answered("00"))] == [at == 6 for at in range(1, 10)]


def test_steps_that_were_not_taken_say_why() -> None:
    rows = rows_of(WRONG_MERCHANT)
    assert ["seq-untaken" in classes for classes, _ in rows] == [at in (5, 6) for at in range(1, 10)]
    assert "not asked: step 4 refused" in rows[4][1]


def test_a_call_that_failed_is_crossed_out() -> None:
    rows = rows_of(SILENT)
    assert "seq-failed" in rows[5][0]
    assert "no answer in time" in rows[5][1]
    assert draw(SILENT).count("seq-cross") == 1


def test_changed_fields_and_times_are_shown() -> None:
    rows = rows_of(answered("00"))
    assert "DE2  token ••••0016  →  PAN ••••1111" in rows[4][1]
    assert "+50.0 ms" in rows[4][1]
    assert "call 20.0 ms" in rows[4][1]
    assert "+65.0 ms" in rows[5][1]


def test_a_frozen_clock_shows_no_times() -> None:
    frozen = Trace(ID, (*asking(frozen=True), *answering("05", frozen=True)))
    assert timings(frozen) == {}
    assert bars(frozen, 16) == {}
    assert " ms" not in draw(frozen)


def test_times_that_cannot_be_are_not_shown() -> None:
    assert timings(RUBBISH) == {}
    # A service whose clock is a day ahead.
    assert timings(Trace(ID, (replace(step(1), end_ns=86_400 * 10**9), step(2)))) == {}


def test_bars_lie_where_the_calls_do() -> None:
    found = bars(answered("00"), 10)
    assert (found[1], found[4], found[9]) == ("━" * 10, "   ━━     ", "         •")
    assert {len(bar) for bar in found.values()} == {10}


TIMES = [
    (0.0, "0 ms"),
    (0.424, "0.42 ms"),
    (9.994, "9.99 ms"),
    (9.996, "10.0 ms"),
    (99.96, "100 ms"),
    (311.6, "312 ms"),
    (999.6, "1.00 s"),
    (1200.0, "1.20 s"),
    (9_996.0, "10.0 s"),
    (3_600_000.0, "3,600.0 s"),
]


@pytest.mark.parametrize(("ms", "told"), TIMES)
def test_times_are_short(ms: float, told: str) -> None:
    assert spoken(ms) == told


def test_nothing_of_anybodys_making_is_markup() -> None:
    drawn = document(RUBBISH)
    assert "<script" not in drawn
    text = "".join(parsed(drawn).itertext()).replace(DRAWN, "")
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "<script>" in text  # it is shown, and no more
    assert len(drawn) < 60_000


def test_a_sentence_is_broken_between_words() -> None:
    lines = broken("one two three four", "said", 60, 3)
    assert lines == [[Piece("one two", "said")], [Piece("three", "said")], [Piece("four", "said")]]
