"""The checks of step 4 and their results, as a trace tells of them."""

from dataclasses import replace

import pytest
from recorded import ASKED, ID, RUBBISH, answered, asking, refused, step

from cardnet.traces.checks import UNTOLD, checks_of
from cardnet.traces.refusals import REFUSALS
from cardnet.traces.trace import Trace


def results(trace: Trace) -> dict[str, str]:
    return {check.name: check.result for check in checks_of(trace)}


def test_a_refusal_ends_the_checks() -> None:
    assert results(refused("ENTRY_MODE_NOT_ALLOWED", "58", "TOKEN, MERCHANT")) == {
        "token": "passed",
        "TRID": "not applied",
        "merchant": "passed",
        "entry mode": "refused",
        "initiator": "not reached",
        "state": "not reached",
        "expiry": "not reached",
        "cryptogram": "not reached",
        "usage": "not reached",
    }


def test_of_a_told_pan_every_check_passed_or_did_not_apply() -> None:
    assert results(answered("51")) == {
        "token": "passed",
        "TRID": "not applied",
        "merchant": "passed",
        "entry mode": "passed",
        "initiator": "not applied",
        "state": "passed",
        "expiry": "passed",
        "cryptogram": "not applied",
        "usage": "not applied",
    }


def test_a_check_that_the_vault_makes_last_was_reached_after_the_others() -> None:
    # Whether the cardholder's payment exists is looked up when all else has passed.
    made = results(refused("ORIGINAL_UNKNOWN", "12", "TOKEN, MERCHANT, POS_ENTRY_MODE, TOKEN_STATE, TOKEN_EXPIRY"))
    assert (made["initiator"], made["expiry"], made["cryptogram"]) == ("refused", "passed", "not applied")
    assert made["usage"] == "not reached"


@pytest.mark.parametrize("refusal", REFUSALS)
def test_every_refusal_is_one_checks(refusal: str) -> None:
    assert list(results(refused(refusal, "57", "")).values()).count("refused") == 1


def test_a_refusal_of_a_later_version_refuses_no_check_that_is_known() -> None:
    made = results(refused("MOON_IN_WRONG_PHASE", "57", "TOKEN"))
    assert "refused" not in made.values()
    assert (made["token"], made["merchant"]) == ("passed", "not reached")


def test_where_step_4_was_not_taken_there_are_no_checks() -> None:
    assert checks_of(Trace(ID, asking())) == []
    assert len(checks_of(RUBBISH)) == 9


@pytest.mark.parametrize("switch", ["", "the answer is lost"])
def test_where_step_4_was_not_answered_that_is_said_in_place_of_the_checks(switch: str) -> None:
    silent = replace(step(4, "DEADLINE_EXCEEDED", **ASKED), disturbed=switch)
    assert checks_of(Trace(ID, (*asking(), silent))) == [UNTOLD]


def test_who_was_not_asked_has_checked_nothing() -> None:
    unsent = replace(step(4, "DEADLINE_EXCEEDED", **ASKED), disturbed="the request does not arrive")
    assert checks_of(Trace(ID, (*asking(), unsent))) == []
