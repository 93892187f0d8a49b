"""Who decided, in which step and on which field: read from traces of every kind."""

from dataclasses import replace

import pytest
from recorded import ASKED, ID, RUBBISH, TOKEN, TOLD, answered, answering, asking, refused, step

from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest, AuthoriseResponse
from cardnet.cde.v1.token_vault_pb2 import DetokeniseRequest, Refusal
from cardnet.messages import iso8583_fields
from cardnet.response_code import ResponseCode as Code
from cardnet.traces.iso8583 import NAMES, NUMBERS
from cardnet.traces.refusals import CONTROLS, REFUSALS
from cardnet.traces.trace import Trace, TracedStep
from cardnet.traces.verdict import Verdict, verdict_of
from cardnet.v1.merchant_pb2 import CheckoutRequest, CheckoutResponse
from cardnet.v1.network_pb2 import RouteAuthorisationRequest, RouteAuthorisationResponse
from services.issuer import domain as issuer
from services.tsp.checks import CONTROLS_OF
from services.tsp.domain import Control


def where(trace: Trace) -> tuple[int, str, str, int]:
    verdict = verdict_of(trace)
    assert verdict
    return verdict.step, verdict.service, verdict.field, verdict.iso8583


def reason(trace: Trace) -> str:
    verdict = verdict_of(trace)
    assert verdict
    return verdict.reason


def test_the_wrong_merchant_is_named_with_step_field_and_iso_number() -> None:
    assert verdict_of(refused("MERCHANT_NOT_ALLOWED", "57")) == Verdict(
        4,
        "tsp",
        "merchant_id",
        42,
        "step 4: the token service provider refused: MERCHANT0000002 (books.example) is not in the token's domain",
    )


def test_every_refusal_and_control_of_the_protos_is_known_and_belongs_together() -> None:
    names = {name.removeprefix("REFUSAL_") for name in Refusal.keys()} - {"UNSPECIFIED"}  # noqa: SIM118 - an enum's
    assert set(REFUSALS) == names
    assert {name: refused.control for name, refused in REFUSALS.items()} == {
        refusal.name: control.name for refusal, control in CONTROLS_OF.items()
    }
    assert sorted(CONTROLS) == sorted(control.name for control in Control)


def test_a_refusal_names_a_field_of_the_message_that_was_refused() -> None:
    nested = {"token_data": "", "merchant": "", "transaction": ""}
    fields = set()
    for field in DetokeniseRequest.DESCRIPTOR.fields:
        fields |= {one.name for one in field.message_type.fields} if field.name in nested else {field.name}
    assert {refused.field for refused in REFUSALS.values()} <= fields


@pytest.mark.parametrize("refusal", REFUSALS)
def test_every_refusal_has_a_sentence_without_holes(refusal: str) -> None:
    trace = refused(refusal, "57")
    trace.steps[3].fields.update(token_requestor_id="00000000002")  # type: ignore[attr-defined]
    told = reason(trace)
    assert told.startswith("step 4: the token service provider refused: ")
    assert "{" not in told
    assert refusal.lower().replace("_", " ") not in told


def test_the_iso_numbers_are_those_of_the_protos() -> None:
    kinds = (
        *(CheckoutRequest, CheckoutResponse, RouteAuthorisationRequest, RouteAuthorisationResponse),
        *(DetokeniseRequest, AuthoriseRequest, AuthoriseResponse),
    )
    found: dict[str, int] = {}
    for kind in kinds:
        found |= iso8583_fields(kind.DESCRIPTOR)
    assert found == NUMBERS
    assert set(NUMBERS.values()) <= set(NAMES)


ISSUER = [
    (Code.INSUFFICIENT_FUNDS, "amount_minor", 4, "12.40 USD is more than is available"),
    (Code.LIMIT_EXCEEDED, "amount_minor", 4, "12.40 USD is above the card's limit for a purchase"),
    (Code.EXPIRED_CARD, "pan_expiry", 14, "the card has expired, or its expiry is not 3011 (YYMM)"),
    (Code.INVALID_CARD, "pan", 2, "it has no account for card ••••1111"),
    (Code.LOST_CARD, "pan", 2, "card ••••1111 was reported lost"),
    (Code.STOLEN_CARD, "pan", 2, "card ••••1111 was reported stolen"),
    (Code.RESTRICTED_CARD, "pan", 2, "card ••••1111 is blocked"),
    (Code.DO_NOT_HONOUR, "pan", 2, "it does not honour card ••••1111"),
    (Code.NOT_PERMITTED_TO_CARD, "currency", 49, "the account is in another currency"),
    (Code.SECURITY_VIOLATION, "on_behalf_of_validation", 0, "validated nothing on its behalf"),
    (Code.CRYPTOGRAM_FAILURE, "cryptogram", 0, "is wrong or was used"),
    (Code.SYSTEM_MALFUNCTION, "cryptogram", 0, "it has no keys"),
]


@pytest.mark.parametrize(("code", "field", "number", "told"), ISSUER, ids=lambda one: str(one))
def test_the_issuers_answer_names_what_it_looked_at(code: Code, field: str, number: int, told: str) -> None:
    trace = answered(code)
    assert where(trace) == (6, "issuer", field, number)
    assert reason(trace).startswith(f"step 6: the issuer answered {code} {code.meaning}: ")
    assert reason(trace).endswith(told)


def test_every_answer_of_the_issuers_rulebook_is_explained() -> None:
    answers = {Code.INVALID_CARD, Code.EXPIRED_CARD, *issuer._MONEY_ANSWERS}
    answers |= {*issuer._STATUS_ANSWERS.values(), *issuer._VALIDATION_ANSWERS.values()}
    assert {code for code, *_ in ISSUER} == answers - {Code.APPROVED}


def test_an_approval_is_the_issuers_word() -> None:
    assert where(answered("00")) == (6, "issuer", "", 0)
    assert reason(answered("00")) == "step 6: the issuer approved 12.40 USD"


LOST, INTERNAL = "the answer is lost", "answered INTERNAL, nobody is asked"


def failing(*numbers: int, switch: str = "", fault: str = "DEADLINE_EXCEEDED") -> tuple[TracedStep, ...]:
    """Steps 1 to 5, of which the calls of these failed; a fault switch disturbed the one furthest inside."""
    steps = (*asking(), TOLD, step(5, **TOKEN))
    return tuple(
        replace(one, fault=fault, disturbed=switch if one.number == max(numbers) else "")
        if one.number in numbers
        else one
        for one in steps
    )


ISSUED = step(6, response_code="00")
SENT = step(5, "DEADLINE_EXCEEDED", **TOKEN, pan="••••1111")
STORIES = {
    "a silent issuer": (
        (*asking(), TOLD, SENT, *answering("91")),
        (7, "network", "the network answered 91 issuer unavailable in place of the issuer (step 5: no answer in time)"),
    ),
    "an issuer whose approval came too late": (
        (*asking(), TOLD, SENT, step(6, response_code="00"), *answering("91")),
        (
            7,
            "network",
            "the network answered 91 issuer unavailable in place of the issuer (step 5: no answer in time), "
            "though the issuer approved in step 6",
        ),
    ),
    "an issuer whose refusal came too late": (
        (*asking(), TOLD, SENT, step(6, response_code="51"), *answering("91")),
        (
            7,
            "network",
            "the network answered 91 issuer unavailable in place of the issuer (step 5: no answer in time), "
            "though the issuer answered 51 insufficient funds in step 6",
        ),
    ),
    "an issuer's answer that is another's": (
        (*asking(), TOLD, step(5, **TOKEN), step(6, response_code="00"), *answering("91")),
        (7, "network", "the network answered 91 issuer unavailable in place of the issuer's 00 approved"),
    ),
    "a token service provider that is down": (
        (*asking(), step(4, "UNAVAILABLE", **ASKED), *answering("96")),
        (
            7,
            "network",
            "the network answered 96 system malfunction in place of the token service provider "
            "(step 4: could not be reached, or could not answer)",
        ),
    ),
    "an issuer whose records are lost": (
        (*asking(), TOLD, step(5, **TOKEN), *answering("05")),
        (6, "issuer", "the issuer answered 05 do not honour: it does not honour card ••••1111"),
    ),
    "an acquirer's own refusal": (
        (*asking()[:2], step(8, **TOKEN, response_code="03"), *answering("03", 9)),
        (
            8,
            "acquirer",
            "the acquirer refused with 03 invalid merchant: MERCHANT0000002 may not take payments so: "
            "not registered, closed, or registered otherwise",
        ),
    ),
    "a payment that came to the acquirer before": (
        (*asking()[:2], *answering("00", 8, 9)),
        (8, "acquirer", "the acquirer answered 00 approved, as it did when this payment came before"),
    ),
    "a payment that the acquirer gave up": (
        (*asking(), TOLD, *answering("00", 7), *answering("68", 8, 9)),
        (8, "acquirer", "the acquirer answered 68 response too late in place of the network's 00 approved"),
    ),
    "a checkout that came before": (
        (step(1, amount_minor="1240", card_on_file_id="card-1"), *answering("51", 9)),
        (9, "merchant", "the merchant answered 51 insufficient funds, as it did when this checkout came before"),
    ),
    "a typed card that cannot be paid with": (
        (step(1, amount_minor="1240", service_id="001"), step(9, response_code="57")),
        (
            9,
            "merchant",
            "the merchant answered 57 not permitted to card: the card that was typed in gave nothing to pay with",
        ),
    ),
    "a dead acquirer": (
        (step(1, "UNAVAILABLE", **ASKED), step(2, "UNAVAILABLE", **ASKED)),
        (2, "acquirer", "the acquirer: could not be reached, or could not answer"),
    ),
    "an answer that was lost on its way to the merchant": (
        (*failing(1, 2, switch=LOST), ISSUED, *answering("00", 7, 8)),
        (2, "fault switch", f"a fault switch: {LOST}, though the issuer approved in step 6"),
    ),
    "an answer that was lost on its way to the acquirer": (
        (*failing(1, 2, 3, switch=LOST), ISSUED, *answering("00", 7)),
        (3, "fault switch", f"a fault switch: {LOST}, though the issuer approved in step 6"),
    ),
    "a refusal of the issuer's that was lost": (
        (*failing(1, 2, 3), step(6, response_code="51"), *answering("51", 7)),
        (
            3,
            "network",
            "the network: no answer in time, though the issuer answered 51 insufficient funds in step 6",
        ),
    ),
    "a refusal of the token service provider's that was lost": (
        (*failing(1, 2, 3)[:3], *refused("TOKEN_SUSPENDED", "62").steps[3:5]),
        (3, "network", "the network: no answer in time, though the token service provider refused in step 4"),
    ),
    "an answer in the issuer's place that was lost as well": (
        (*failing(1, 2, 3, 5), ISSUED, *answering("91", 7)),
        (3, "network", "the network: no answer in time, though the network answered 91 issuer unavailable in step 7"),
    ),
    "an issuer that nobody asked": (
        (*failing(5, switch=INTERNAL, fault="UNAVAILABLE"), *answering("91")),
        (
            7,
            "network",
            f"the network answered 91 issuer unavailable in place of the issuer (step 5: a fault switch: {INTERNAL})",
        ),
    ),
    "a switch that is not why": (
        failing(1, 2, switch="each request arrives twice", fault="UNAVAILABLE")[:2],
        (2, "acquirer", "the acquirer: could not be reached, or could not answer"),
    ),
    "a merchant that was killed while the network answered for the issuer": (
        (*failing(5)[2:], *answering("91", 7)),
        (7, "network", "the network answered 91 issuer unavailable in place of the issuer (step 5: no answer in time)"),
    ),
    "a malformed checkout": (
        (step(1, "INVALID_ARGUMENT"),),
        (1, "merchant", "the merchant: refused as malformed"),
    ),
    "a refusal whose answer is on its way": (
        refused("TOKEN_SUSPENDED", "62").steps[:4],
        (4, "tsp", "the token service provider refused: token ••••0016 is suspended"),
    ),
    "a refusal of a later version": (
        refused("MOON_IN_WRONG_PHASE", "57").steps,
        (4, "tsp", "the token service provider refused: moon in wrong phase"),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_story_has_its_verdict(story: str) -> None:
    steps, (number, service, told) = STORIES[story]
    verdict = verdict_of(Trace(ID, steps))
    assert verdict
    assert (verdict.step, verdict.service, verdict.reason) == (number, service, f"step {number}: {told}")


@pytest.mark.parametrize(
    "steps",
    [(), asking(), (*asking(), *answering("51", 8, 9)), (*asking()[:2], *answering("51", 9)), answering("51", 9)[:0]],
)
def test_what_a_trace_does_not_tell_is_not_guessed(steps: tuple) -> None:
    assert verdict_of(Trace(ID, steps, ["something is missing"])) is None


def test_what_somebody_made_up_is_printable_and_short() -> None:
    for number in range(1, 10):
        verdict = verdict_of(Trace("1", [step for step in RUBBISH.steps if step.number == number]))
        if verdict:
            assert verdict.reason.isprintable()
            assert len(verdict.reason) < 400
