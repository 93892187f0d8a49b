"""A step as a sheet of fields, and how times and texts are written on pages."""

import pytest
from markupsafe import Markup

from cardnet.console.sheet import MOST_LINES, Line, sheets
from cardnet.console.wording import MOST_SHOWN, clock_time, date_and_time, shown
from cardnet.traces.timing import timings
from cardnet.traces.trace import Trace, TracedStep
from cardnet.traces.verdict import Verdict

NUMBERS = {"payment_token": 2, "pan": 2, "amount_minor": 4, "currency": 49, "response_code": 39, "merchant_id": 42}
BEGAN = 1_768_467_600_000_000_000


def taken(number: int, after_ms: int = 0, **fields: str) -> TracedStep:
    known = {name: NUMBERS[name] for name in fields if name in NUMBERS}
    return TracedStep(number, fields, known, BEGAN + after_ms * 1_000_000, BEGAN + (after_ms + 4) * 1_000_000)


def sheet_of(number: int, *steps: TracedStep, verdict: Verdict | None = None):  # type: ignore[no-untyped-def]
    return sheets(Trace("ab" * 16, steps), verdict)[number - 1]


def lines_of(number: int, *steps: TracedStep) -> dict[str, Line]:
    return {line.name: line for line in sheet_of(number, *steps).lines}


def test_there_are_nine_sheets_whatever_was_recorded() -> None:
    assert [sheet.step.number for sheet in sheets(Trace("ab" * 16, []), None)] == list(range(1, 10))
    assert not any(sheet.taken for sheet in sheets(Trace("ab" * 16, []), None))


def test_a_field_shows_what_it_was_and_what_it_became() -> None:
    third = taken(3, payment_token="••••0016", merchant_id="M")
    lines = lines_of(5, third, taken(5, pan="••••1111", merchant_id="M", currency="840"))
    pan, merchant, currency = lines["pan"], lines["merchant_id"], lines["currency"]
    assert (pan.number, pan.standard) == ("DE2", "primary account number")
    assert (pan.before, pan.value, pan.added) == ("••••0016", "••••1111", False)
    assert (merchant.before, merchant.added) == ("", False)
    assert currency.added


def test_the_field_on_which_it_was_decided_is_marked_in_its_own_step_alone() -> None:
    verdict = Verdict(4, "tsp", "merchant_id", 42, "the merchant is another")
    steps = (taken(3, merchant_id="M"), taken(4, merchant_id="M", refusal="X"))
    made = sheets(Trace("ab" * 16, steps), verdict)
    assert [line.name for sheet in made for line in sheet.lines if line.decided] == ["merchant_id"]
    assert [sheet.step.number for sheet in made if sheet.decided] == [4]


@pytest.mark.parametrize(
    ("fields", "name", "meaning"),
    [
        ({"amount_minor": "1240", "currency": "840"}, "amount_minor", "12.40 USD"),
        ({"amount_minor": "1240"}, "amount_minor", ""),
        ({"amount_minor": "1240", "currency": "000"}, "amount_minor", ""),
        ({"amount_minor": "1240", "currency": "392"}, "amount_minor", "1240 JPY"),
        ({"amount_minor": "-1", "currency": "840"}, "amount_minor", ""),
        ({"amount_minor": "9" * 5000, "currency": "840"}, "amount_minor", ""),
        ({"amount_minor": "²", "currency": "840"}, "amount_minor", ""),
        ({"response_code": "51"}, "response_code", "insufficient funds"),
        ({"response_code": "zz"}, "response_code", ""),
        ({"response_code": "z" * 5000}, "response_code", ""),
        ({"merchant_id": "51"}, "merchant_id", ""),
    ],
)
def test_a_value_that_does_not_speak_for_itself_is_said_in_words(
    fields: dict[str, str], name: str, meaning: str
) -> None:
    assert lines_of(1, taken(1, **fields))[name].meaning == meaning


def test_times_are_those_of_the_picture_an_answers_at_its_end() -> None:
    steps = (taken(1, 0), taken(2, 3), TracedStep(9, {}, {}, BEGAN, BEGAN + 8_000_000))
    found = {step.number: sheet_of(step.number, *steps).timing for step in steps}
    assert found == timings(Trace("ab" * 16, steps))
    assert [(timing.at_ms, timing.took_ms) for timing in found.values() if timing] == [(0, 4), (3, 4), (8, 8)]


def test_where_the_picture_has_no_times_a_sheet_has_none() -> None:
    backwards = (taken(1), TracedStep(3, {}, {}, BEGAN + 5_000_000, BEGAN))
    assert sheet_of(1, *backwards).timing is None and sheet_of(3, *backwards).timing is None


def test_of_a_message_without_end_only_so_much_is_shown() -> None:
    sheet = sheet_of(1, taken(1, **{f"f{number}": "" for number in range(MOST_LINES + 7)}))
    assert (len(sheet.lines), sheet.left_out) == (MOST_LINES, 7)


def test_a_time_is_written_in_utc() -> None:
    assert clock_time(BEGAN + 7_000_000) == "09:00:00.007"
    assert date_and_time(BEGAN) == "2026-01-15 09:00:00.000 UTC"
    assert clock_time(0) == date_and_time(0) == ""
    assert date_and_time(2**64 - 1).startswith("2554-")


def test_a_text_is_neither_endless_nor_able_to_turn_others_around() -> None:
    assert shown("a\u202eb\x00\n") == "a?b??"
    assert shown("x" * 10_000) == "x" * (MOST_SHOWN - 1) + "…"
    assert shown(Markup("a\nb")) == "a\nb" and shown(7) == 7
