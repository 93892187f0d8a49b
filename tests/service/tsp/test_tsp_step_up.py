"""ID&V with a one-time passcode: nothing is paid before it was right, and assurance says what was done."""

from typing import Any

import pytest
from tsp_provider import ON_FILE, OTHERS, UNKNOWN_REFERENCE, WITH_CRYPTOGRAM, Provider, started, use

from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.cde.v1.issuer_pb2 import CheckPasscodeResponse
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Fault, NotPermitted
from cardnet.v1 import token_service_pb2 as ts
from cardnet.v1.token_pb2 import TOKEN_STATE_ACTIVE, TOKEN_STATE_DELETED, TOKEN_STATE_INACTIVE
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

pytestmark = pytest.mark.asyncio(loop_scope="module")

RIGHT, WRONG = "271828", "000000"
CONFIRMED = ts.ConfirmCardholderResponse(
    response_code="00", outcome=ts.PASSCODE_OUTCOME_RIGHT, state=TOKEN_STATE_ACTIVE
)


async def waiting(tsp: Provider, trid: str = ON_FILE, pan: str = "") -> Any:
    """A token whose cardholder has still to be confirmed."""
    tsp.bank.decision = ts.TOKEN_DECISION_STEP_UP
    try:
        return await tsp.new_token(trid, pan)
    finally:
        tsp.bank.decision = ts.TOKEN_DECISION_APPROVED


async def confirm(
    tsp: Provider, token: Any, passcode: str = RIGHT, trid: str = ON_FILE, caller: str = "merchant"
) -> Any:
    request = ts.ConfirmCardholderRequest(
        token_requestor_id=trid, token_reference_id=token.token_reference_id, passcode=passcode
    )
    return await tsp.stub(TokenServiceStub, caller).ConfirmCardholder(request)


async def test_a_step_up_issues_an_inactive_token_that_says_so(shared: Provider) -> None:
    token = await waiting(shared)

    assert (token.response_code, token.decision, token.state) == (
        "00",
        ts.TOKEN_DECISION_STEP_UP,
        TOKEN_STATE_INACTIVE,
    )
    assert token.payment_token
    assert token.token_assurance_level == "10"  # the account was verified, and no more


async def test_nothing_can_be_paid_before_the_cardholder_is_confirmed(shared: Provider) -> None:
    token = await waiting(shared, WITH_CRYPTOGRAM)

    card = await shared.vault.Detokenise(use(token))
    assert (card.refusal, card.response_code, card.pan) == (pb.REFUSAL_TOKEN_INACTIVE, "78", "")
    made = await shared.request_cryptogram(token)
    assert (made.response_code, made.cryptogram) == ("78", "")


async def test_the_right_passcode_activates_the_token_and_raises_its_assurance(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await waiting(shared, pan=pan)

    assert await confirm(shared, token) == CONFIRMED

    card = await shared.vault.Detokenise(use(token))
    assert (card.pan, card.token_assurance_level, card.token_assurance_data) == (pan, "11", "issuer one-time passcode")
    shown = await shared.shown(token)
    assert (shown.state, shown.token_assurance_level) == (TOKEN_STATE_ACTIVE, "11")


async def test_a_wrong_passcode_leaves_the_token_inactive_and_tells_the_tries_left(shared: Provider) -> None:
    token = await waiting(shared)

    assert await confirm(shared, token, WRONG) == ts.ConfirmCardholderResponse(
        response_code="55", outcome=ts.PASSCODE_OUTCOME_WRONG, tries_left=2, state=TOKEN_STATE_INACTIVE
    )

    assert (await shared.vault.Detokenise(use(token))).refusal == pb.REFUSAL_TOKEN_INACTIVE
    assert (await shared.shown(token)).token_assurance_level == "10"
    assert await confirm(shared, token) == CONFIRMED


@pytest.mark.parametrize(
    ("code", "outcome"), [("75", ts.PASSCODE_OUTCOME_NO_TRIES_LEFT), ("54", ts.PASSCODE_OUTCOME_EXPIRED)]
)
async def test_a_passcode_that_is_used_up_or_too_old_activates_nothing(
    spare: EmbeddedStore, code: str, outcome: int
) -> None:
    async with started(spare) as tsp:
        tsp.bank.to_a_wrong_one = CheckPasscodeResponse(response_code=code, outcome=outcome)
        token = await waiting(tsp)

        assert await confirm(tsp, token, WRONG) == ts.ConfirmCardholderResponse(
            response_code=code, outcome=outcome, state=TOKEN_STATE_INACTIVE
        )
        assert (await tsp.vault.Detokenise(use(token))).refusal == pb.REFUSAL_TOKEN_INACTIVE


async def test_where_the_issuer_waits_for_no_passcode_the_token_does_not_either(shared: Provider) -> None:
    token = await waiting(shared)
    shared.bank.references.remove(token.token_reference_id)

    assert (await confirm(shared, token)).response_code == "78"
    assert (await shared.shown(token)).state == TOKEN_STATE_INACTIVE


async def test_a_token_that_does_not_wait_is_not_confirmed(shared: Provider) -> None:
    never, already, gone = await shared.new_token(), await waiting(shared), await waiting(shared)
    assert await confirm(shared, already) == CONFIRMED
    await shared.act("issuer", "Unlink", gone)

    for token in (never, already, gone):
        answer = await confirm(shared, token)
        assert (answer.response_code, answer.outcome) == ("78", ts.PASSCODE_OUTCOME_UNSPECIFIED)
    assert (await shared.shown(never)).token_assurance_level == "10"
    assert (await shared.shown(gone)).state == TOKEN_STATE_DELETED


async def test_nobody_else_confirms_a_cardholder(shared: Provider) -> None:
    token = await waiting(shared)
    nobodys = ts.RequestTokenResponse(token_reference_id=UNKNOWN_REFERENCE)
    fourteen = ts.ConfirmCardholderResponse(response_code="14")

    assert await confirm(shared, token, trid=OTHERS, caller="other-merchant") == fourteen
    assert await confirm(shared, token, trid=WITH_CRYPTOGRAM) == fourteen
    assert await confirm(shared, nobodys) == fourteen
    with pytest.raises(Fault, match="not registered"):
        await confirm(shared, token, caller="other-merchant")
    assert (await shared.shown(token)).state == TOKEN_STATE_INACTIVE


async def test_a_requestor_does_not_activate_a_token_without_the_passcode(shared: Provider) -> None:
    token = await waiting(shared)

    with pytest.raises(NotPermitted):
        await shared.act("merchant", "Activate", token)
    assert (await shared.act("merchant", "Resume", token)).response_code == "78"
    assert (await shared.shown(token)).state == TOKEN_STATE_INACTIVE


async def test_the_issuer_may_activate_it_and_the_assurance_stays_what_was_done(shared: Provider) -> None:
    token = await waiting(shared)

    assert (await shared.act("issuer", "Activate", token)).response_code == "00"

    assert (await shared.vault.Detokenise(use(token))).token_assurance_level == "10"


async def test_asking_again_gives_the_same_token_that_still_waits(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await waiting(shared, pan=pan)

    again = await waiting(shared, pan=pan)

    assert again == token
    assert await confirm(shared, again) == CONFIRMED


async def test_a_confirmed_token_stays_confirmed_when_it_is_asked_for_again(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await waiting(shared, pan=pan)
    assert await confirm(shared, token) == CONFIRMED

    again = await waiting(shared, pan=pan)

    assert (again.decision, again.state) == (ts.TOKEN_DECISION_APPROVED, TOKEN_STATE_ACTIVE)
    assert again.token_assurance_level == "11"


async def test_a_token_that_waits_is_activated_where_the_issuer_asks_for_no_passcode_any_more(shared: Provider) -> None:
    pan = shared.new_pan()
    await waiting(shared, pan=pan)
    again = await shared.new_token(ON_FILE, pan)
    assert again.decision == ts.TOKEN_DECISION_APPROVED
    assert (await shared.vault.Detokenise(use(again))).pan == pan
