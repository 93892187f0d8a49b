"""A token's life as EMVCo has it (framework 2.3, table 8.12, rows 1 to 4), and what each event means to payments."""

from typing import Any

import pytest
from parties import PARTIES, STRANGERS, Parties
from shop import ON_FILE, changed
from tap import Tap

from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest
from cardnet.cde.v1.token_vault_pb2 import FindTransactionRequest
from cardnet.cde.v1.token_vault_pb2_grpc import TokenVaultStub
from cardnet.errors import NotPermitted
from cardnet.identity import ISSUER, MERCHANT, NETWORK, OPERATOR
from cardnet.response_code import ResponseCode as Code
from cardnet.steps import STEPS, WITHOUT_ISSUER
from cardnet.testing import LocalNetwork
from cardnet.v1.token_lifecycle_pb2 import TokenNotification
from cardnet.v1.token_pb2 import Cause, Party, Token, TokenState
from cardnet.v1.token_service_pb2 import ConfirmCardholderRequest
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACTIVE, SUSPENDED = TokenState.TOKEN_STATE_ACTIVE, TokenState.TOKEN_STATE_SUSPENDED
DELETED, INACTIVE = TokenState.TOKEN_STATE_DELETED, TokenState.TOKEN_STATE_INACTIVE
EVENTS = ("Suspend", "Resume", "Unlink")


@pytest.fixture
def parties(network: LocalNetwork) -> Parties:
    return Parties(network)


def seen(notification: TokenNotification) -> tuple[int, str, str]:
    """What a notification says: the state, by whom and why."""
    party, cause = Party.Name(notification.party), Cause.Name(notification.cause)
    return notification.token.state, party.removeprefix("PARTY_"), cause.removeprefix("CAUSE_")


# Row 1: unlink. UC22 10: the merchant deletes the credential.


@pytest.mark.parametrize("as_", PARTIES)
@pytest.mark.parametrize("state", ["ACTIVE", "SUSPENDED", "INACTIVE"])
async def test_an_unlinked_token_pays_never_again(parties: Parties, as_: str, state: str) -> None:
    token = await parties.shop.new_token() if state == "ACTIVE" else await parties.shop.token_in(state)

    answer = await parties.ask(as_, "Unlink", token, "CLOSED")

    assert (answer.response_code, answer.token.state) == ("00", DELETED)
    payment = await parties.shop.checkout(token)
    assert (payment.response_code, payment.steps) == (Code.TOKEN_NOT_IN_USE, WITHOUT_ISSUER)
    for event in ("Suspend", "Resume"):
        assert (await parties.ask(OPERATOR, event, token)).response_code == "78"
    assert (await parties.ask(OPERATOR, "Activate", token)).response_code == "78"
    told = (await parties.told(answer.token, 2 if state == "SUSPENDED" else 1))[-1]
    assert seen(told) == (DELETED, PARTIES[as_], "CLOSED")


async def test_a_card_whose_token_was_unlinked_gets_another_token_and_keeps_its_par(
    network: LocalNetwork, parties: Parties
) -> None:
    card = await network.open_account()
    first = await parties.shop.token(card)
    before = await parties.shown(first)
    await parties.ask(MERCHANT, "Unlink", first)

    second = await parties.shop.token(card)

    after = await parties.shown(second)
    assert second.payment_token != first.payment_token
    assert after.token_reference_id != before.token_reference_id
    assert after.par == before.par
    assert (await parties.shop.checkout(second)).approved
    assert (await parties.shop.checkout(first)).response_code is Code.TOKEN_NOT_IN_USE
    assert (await network.account(card)).holds == 1


async def test_a_refund_or_a_chargeback_after_the_deletion_finds_token_and_card(
    network: LocalNetwork, parties: Parties
) -> None:
    card = await network.open_account()
    token = await parties.shop.token(card)
    paid = await parties.shop.submit(token)
    await parties.ask(MERCHANT, "Unlink", token)
    vault = network.stub(TokenVaultStub, "tsp", NETWORK)

    refund = await vault.FindTransaction(
        FindTransactionRequest(transaction=paid.transaction, payment_token=token.payment_token)
    )
    chargeback = await vault.FindTransaction(FindTransactionRequest(transaction=paid.transaction, pan=card.pan))

    assert refund == chargeback
    assert (refund.response_code, refund.payment_token, refund.pan) == ("00", token.payment_token, card.pan)
    assert refund.token.state == DELETED


# Row 2: suspend. UC22 10: the lost device.


@pytest.mark.parametrize("as_", PARTIES)
async def test_a_suspended_token_pays_again_when_it_is_resumed(parties: Parties, as_: str) -> None:
    token = await parties.shop.new_token()

    suspended = await parties.ask(as_, "Suspend", token, "FRAUD")

    assert (suspended.response_code, suspended.token.state) == ("00", SUSPENDED)
    assert list(suspended.token.suspended_by) == [Party.Value(f"PARTY_{PARTIES[as_]}")]
    payment = await parties.shop.checkout(token)
    assert (payment.response_code, payment.steps) == (Code.RESTRICTED_CARD, WITHOUT_ISSUER)
    for other in PARTIES.keys() - {as_}:
        assert (await parties.ask(other, "Resume", token)).response_code == "57"
    assert (await parties.ask(as_, "Resume", token)).token.state == ACTIVE
    assert (await parties.shop.checkout(token)).steps == STEPS


async def test_a_token_that_all_suspended_pays_when_the_last_of_them_resumes_it(parties: Parties) -> None:
    token = await parties.shop.new_token()
    for as_ in PARTIES:
        assert (await parties.ask(as_, "Suspend", token)).response_code == "00"

    for as_ in PARTIES:
        assert (await parties.shop.checkout(token)).response_code is Code.RESTRICTED_CARD
        assert (await parties.ask(as_, "Resume", token)).response_code == "00"

    assert (await parties.shop.checkout(token)).approved


async def test_a_lost_device_is_suspended_and_later_unlinked_and_its_requestor_told(parties: Parties) -> None:
    token = await parties.shop.new_token()
    assert (await parties.shop.checkout(token)).approved

    await parties.ask(ISSUER, "Suspend", token, "LOST_OR_STOLEN")
    assert (await parties.shop.checkout(token)).response_code is Code.RESTRICTED_CARD
    unlinked = await parties.ask(ISSUER, "Unlink", token, "LOST_OR_STOLEN")
    assert (await parties.shop.checkout(token)).response_code is Code.TOKEN_NOT_IN_USE

    told = await parties.told(unlinked.token, 2)
    assert [seen(one) for one in told] == [(state, "ISSUER", "LOST_OR_STOLEN") for state in (SUSPENDED, DELETED)]
    assert [one.token.version for one in told] == [unlinked.token.version - 1, unlinked.token.version]


# Row 3: activate.


@pytest.mark.parametrize("as_", [ISSUER, OPERATOR])
async def test_an_inactive_token_pays_when_it_is_activated(parties: Parties, as_: str) -> None:
    token = await parties.shop.token_in("INACTIVE")
    assert (await parties.shop.checkout(token)).response_code is Code.TOKEN_NOT_IN_USE

    activated = await parties.ask(as_, "Activate", token, "CARDHOLDER_CONFIRMED")

    assert (activated.response_code, activated.token.state) == ("00", ACTIVE)
    assert (await parties.shop.checkout(token)).approved
    [told] = await parties.told(activated.token, 1)
    assert seen(told) == (ACTIVE, PARTIES[as_], "CARDHOLDER_CONFIRMED")


async def test_a_requestor_activates_a_token_by_its_cardholders_passcode_alone(
    network: LocalNetwork, parties: Parties, tap: Tap
) -> None:
    token = await parties.shop.token_in("INACTIVE")
    shown = await parties.shown(token)
    with pytest.raises(NotPermitted):
        await parties.ask(MERCHANT, "Activate", token)
    assert (await parties.shown(token)).state == INACTIVE

    confirmed = await network.stub(TokenServiceStub, "tsp", MERCHANT).ConfirmCardholder(
        ConfirmCardholderRequest(
            token_requestor_id=ON_FILE,
            token_reference_id=shown.token_reference_id,
            passcode=await parties.stage.passcode(shown),
        )
    )

    assert confirmed.response_code == "00"
    assert (await parties.shop.checkout(token)).approved
    asked = tap.only(AuthoriseRequest)
    assert (asked.token_assurance_level, asked.token_assurance_data) == ("11", "issuer one-time passcode")


# Row 4: update the token's attributes.


@pytest.mark.parametrize("as_", PARTIES)
async def test_a_token_whose_expiry_was_extended_is_good_under_the_new_one_alone(parties: Parties, as_: str) -> None:
    token = await parties.shop.new_token()
    assert token.token_expiry == "2901"

    updated = await parties.update(as_, token, token_expiry="3206")

    assert (updated.response_code, updated.token.token_expiry) == ("00", "3206")
    old = await parties.shop.checkout(token)
    assert (old.response_code, old.steps) == (Code.EXPIRED_CARD, WITHOUT_ISSUER)
    assert (await parties.shop.checkout(changed(token, token_expiry="3206"))).approved


@pytest.mark.parametrize(("as_", "level"), [(MERCHANT, "02"), (ISSUER, "13"), (OPERATOR, "14")])
async def test_the_issuer_sees_a_new_assurance_in_step_5(parties: Parties, tap: Tap, as_: str, level: str) -> None:
    token = await parties.shop.new_token()
    await parties.shop.checkout(token)
    assurance = {"token_assurance_level": level, "token_assurance_data": "asked once more"}

    assert (await parties.update(as_, token, **assurance)).response_code == "00"

    payment = await parties.shop.checkout(token)
    asked = [(one.token_assurance_level, one.token_assurance_data) for one in tap.all(AuthoriseRequest)]
    assert asked == [("10", "issuer account verification"), (level, "asked once more")]
    assert payment.trace.steps[4].fields["token_assurance_level"] == level


# Whoever it is not for.


@pytest.mark.parametrize("as_", STRANGERS)
async def test_a_stranger_changes_nothing_and_learns_nothing(parties: Parties, as_: str) -> None:
    token = await parties.shop.new_token()
    before = await parties.shown(token)

    answers: list[Any] = [await parties.ask(as_, event, token) for event in EVENTS]
    answers += [await parties.update(as_, token, token_expiry="3206")]
    if as_ != "other-merchant":
        answers += [await parties.ask(as_, "Activate", token)]

    assert {(answer.response_code, answer.HasField("token")) for answer in answers} == {("14", False)}
    assert await parties.shown(token) == before
    assert before != Token()
    assert (await parties.shop.checkout(token)).approved
