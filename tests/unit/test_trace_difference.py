"""Two authorisations side by side: what makes a difference, and what is another every time."""

from dataclasses import replace

from recorded import ID, RUBBISH, TOKEN, TOLD, answered, answering, asking, refused, step

from cardnet.traces.difference import FAULT, compare
from cardnet.traces.trace import Trace

APPROVED = answered("00")


def with_fields(trace: Trace, number: int, **fields: str) -> Trace:
    steps = [replace(step, fields={**step.fields, **fields}) if step.number == number else step for step in trace.steps]
    return Trace(trace.trace_id, steps)


def differing(a: Trace, b: Trace) -> list[str]:
    return [field.name for pair in compare(a, b).steps for field in pair.fields if field.differs]


def test_a_trace_does_not_differ_from_itself() -> None:
    assert compare(APPROVED, APPROVED).first == 0
    assert not any(pair.differs for pair in compare(APPROVED, APPROVED).steps)


def test_the_first_step_that_differs_is_found() -> None:
    assert compare(APPROVED, answered("51")).first == 6
    assert compare(APPROVED, refused("MERCHANT_NOT_ALLOWED", "57")).first == 4
    assert compare(APPROVED, with_fields(APPROVED, 2, pos_entry_mode="MANUAL")).first == 2


def test_what_is_another_for_every_payment_or_card_makes_no_difference() -> None:
    other = with_fields(APPROVED, 3, stan="000002", rrn="432615000002")
    other = with_fields(other, 1, idempotency_key="pay2", payment_token="••••0024")
    other = with_fields(other, 5, pan="••••2222")
    assert differing(APPROVED, other) == []
    pair = compare(APPROVED, other).steps[2].fields
    assert [(field.a, field.b, field.incidental) for field in pair if field.name == "stan"] == [
        ("000001", "000002", True)
    ]


def test_that_it_is_there_at_all_makes_one() -> None:
    assert differing(APPROVED, with_fields(APPROVED, 1, card_on_file_id="card-1")) == ["card_on_file_id"]
    assert differing(APPROVED, with_fields(APPROVED, 2, cryptogram="present")) == ["cryptogram"]


def test_a_step_that_one_did_not_take_is_a_difference() -> None:
    pair = compare(APPROVED, Trace(ID, APPROVED.steps[:5])).steps[5]
    assert (pair.in_a, pair.in_b, pair.differs) == (True, False, True)


def test_a_call_that_failed_differs_from_one_that_did_not() -> None:
    a, b = (Trace(ID, (*asking(), TOLD, step(5, fault, **TOKEN), *answering("91"))) for fault in ("", "UNAVAILABLE"))
    assert differing(a, b) == [FAULT]
    assert compare(a, b).first == 5


def test_the_document_has_what_is_not_the_same() -> None:
    document = compare(APPROVED, answered("51")).document()
    assert document["first"] == 6
    assert document["steps"][5]["fields"] == [
        {"name": "response_code", "iso8583": 39, "a": "00", "b": "51", "incidental": False, "differs": True}
    ]
    assert document["steps"][0] == {"number": 1, "in_a": True, "in_b": True, "differs": False, "fields": []}


def test_rubbish_can_be_compared() -> None:
    assert compare(RUBBISH, APPROVED).first == 1
    assert compare(Trace("", ()), Trace("", ())).first == 0
