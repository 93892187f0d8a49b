"""What a test asserts about a payment's steps."""

from dataclasses import replace
from typing import Any

import pytest
from recorded import ASKED, ID, TOLD, answered, answering, asking, refused, step

from cardnet.errors import InvalidField
from cardnet.response_code import ResponseCode
from cardnet.steps import STEPS, WITHOUT_ISSUER
from cardnet.testing import Payment
from cardnet.traces.trace import Change, Trace


def payment(trace: Trace) -> Payment:
    return Payment(ResponseCode.APPROVED, "", "", "", "", trace, 0.0)


APPROVED = payment(answered("00"))
REFUSED = payment(refused("MERCHANT_NOT_ALLOWED", "57"))


def test_a_step_is_found_by_its_number() -> None:
    assert APPROVED.steps[5] == STEPS[4]
    assert APPROVED.steps[7].number == 7
    assert REFUSED.steps[7].sender == "network"


def test_a_step_tells_what_it_changed() -> None:
    swapped = APPROVED.steps[5]
    assert swapped.changed("DE2")
    assert swapped.changed("pan")
    assert not swapped.changed("DE4")
    assert swapped.change("DE2") == Change("pan", 2, "••••0016", "••••1111")
    assert swapped.fields["pan"] == "••••1111"


def test_a_field_that_a_step_added_was_not_changed_by_it() -> None:
    numbered = APPROVED.steps[3]
    assert not numbered.changed("DE11")
    assert numbered.change("DE11") == Change("stan", 11, "", "000001")


def test_a_field_that_a_step_left_alone_has_no_change() -> None:
    with pytest.raises(KeyError, match=r"step 3 did not change DE2; it changed or added: DE11, DE37"):
        APPROVED.steps[3].change("DE2")


@pytest.mark.parametrize("field", ["DE19", "DE56", "cryptogram", "origin", "controls_passed", "token"])
def test_a_field_that_another_step_may_have_was_not_changed(field: str) -> None:
    assert not APPROVED.steps[5].changed(field)


@pytest.mark.parametrize(
    "field", ["nonsense", "", "de2", "2", 2, "DE02", "DE2 ", "DE3", "DE0", "Pan", "controls", None]
)
def test_a_field_that_no_step_has_is_refused_with_those_that_there_are(field: Any) -> None:
    step = APPROVED.steps[5]
    for ask in (step.changed, step.change):
        with pytest.raises(InvalidField, match=r"^field: must be one of DE2, DE4, .*, or a field's own name: .* pan, "):
            ask(field)


@pytest.mark.parametrize(
    ("trace", "number", "why"),
    [
        (REFUSED.trace, 5, "step 5 is not in the trace: not asked: step 4 refused"),
        (Trace(ID, (*asking(), TOLD, step(5, "UNAVAILABLE"))), 6, "step 6 is not in the trace: could not be reached"),
        (
            Trace(ID, (*asking()[:2], TOLD, *answering("00", 8, 9))),
            3,
            "step 3 is not in the trace: taken, but not recorded",
        ),
        (Trace(ID, asking()[:2], ["gone"]), 4, "step 4 is not in the trace: not taken, or not recorded"),
        (REFUSED.trace, 0, "there is no step 0: the steps are 1 to 9"),
        (REFUSED.trace, -1, "there is no step -1"),
    ],
)
def test_a_step_that_is_not_there_says_why(trace: Trace, number: int, why: str) -> None:
    with pytest.raises(KeyError, match=why):
        payment(trace).steps[number]


def test_the_steps_are_equal_to_rows_of_the_table() -> None:
    assert APPROVED.steps == STEPS
    assert REFUSED.steps == WITHOUT_ISSUER
    assert REFUSED.steps != STEPS
    assert APPROVED.steps != 5
    assert [step.number for step in REFUSED.steps] == [1, 2, 3, 4, 7, 8, 9]
    assert len(REFUSED.steps) == 7
    assert 5 not in REFUSED.steps
    assert STEPS[0] in REFUSED.steps
    assert repr(REFUSED.steps) == "<steps 1 2 3 4 7 8 9>"


def test_the_verdict_and_who_saw_the_pan_are_at_hand() -> None:
    assert APPROVED.saw_pan == ("network", "tsp", "issuer")
    assert REFUSED.saw_pan == ()
    unheard = replace(step(5, "UNAVAILABLE", pan="••••1111"), arrived=False)
    assert payment(Trace(ID, (*asking(), TOLD, unheard))).saw_pan == ("network", "tsp")
    assert REFUSED.verdict
    assert REFUSED.verdict.field == "merchant_id"
    assert payment(Trace(ID, (step(1, **ASKED),))).verdict is None
