"""What becomes of cards, and of the tokens that stand for them (EMVCo framework 2.3, table 8.12, row 5)."""

import pytest
from parties import PARTIES, Parties
from shop import ON_FILE, PRICE, SHOP, WITH_CRYPTOGRAM, order
from tap import Tap
from waiting import until

from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest
from cardnet.cde.v1.token_vault_pb2 import FindTransactionRequest
from cardnet.cde.v1.token_vault_pb2_grpc import TokenVaultStub
from cardnet.errors import NotPermitted
from cardnet.identity import ISSUER, MERCHANT, NETWORK, OPERATOR
from cardnet.money import Money
from cardnet.response_code import ResponseCode as Code
from cardnet.steps import STEPS, WITHOUT_ISSUER
from cardnet.testing import LocalNetwork, TestCard
from cardnet.traces.trace import Change
from cardnet.v1.acquirer_pb2 import ReversePaymentRequest
from cardnet.v1.acquirer_pb2_grpc import AcquirerStub
from cardnet.v1.token_pb2 import Party, TokenState

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHO = [ISSUER, OPERATOR]
"""Who may speak of this card."""
COST = Money.parse(PRICE).minor


@pytest.fixture
def parties(network: LocalNetwork) -> Parties:
    return Parties(network)


async def stands(network: LocalNetwork, card: TestCard, holds: int) -> bool:
    """Whether so many payments are held on an account. Nothing of its money is ever anywhere else."""
    account = await network.account(card)
    assert account.available_minor + account.held_minor == card.balance.minor
    return (account.holds, account.held_minor) == (holds, holds * COST)


# A new number.


@pytest.mark.parametrize("as_", WHO)
async def test_a_replaced_card_is_paid_with_under_the_same_token_and_par(
    network: LocalNetwork, parties: Parties, as_: str
) -> None:
    card, successor = await network.open_account(), await network.open_account()
    token = await parties.shop.token(card)
    first = await parties.shop.checkout(token)
    before = await parties.shown(token)

    assert (await parties.replace(as_, card, successor)).response_code == "00"
    second = await parties.shop.checkout(token)

    after = await parties.shown(token)
    assert (after.par, after.token_expiry) == (before.par, before.token_expiry)
    assert first.pan_last_four == card.last_four
    assert second.pan_last_four == after.pan_last_four == successor.last_four
    assert second.steps == STEPS
    assert await stands(network, card, 1) and await stands(network, successor, 1)
    [told] = await parties.told(after, 1)
    assert (told.party, told.token.pan_last_four) == (Party.Value(f"PARTY_{PARTIES[as_]}"), successor.last_four)


async def test_a_reversal_of_a_payment_from_before_goes_to_the_old_account(
    network: LocalNetwork, parties: Parties
) -> None:
    card, successor = await network.open_account(), await network.open_account()
    token = await parties.shop.token(card)
    earlier, later = order(), order()
    assert (await parties.shop.submit(token, payment_reference=earlier)).response_code == "00"
    await parties.replace(ISSUER, card, successor)
    assert (await parties.shop.submit(token, payment_reference=later)).response_code == "00"
    assert await stands(network, card, 1) and await stands(network, successor, 1)

    acquirer = network.stub(AcquirerStub, "acquirer", MERCHANT)
    await acquirer.ReversePayment(ReversePaymentRequest(merchant_id=SHOP.merchant_id, payment_reference=earlier))
    await until(lambda: stands(network, card, 0), "the old account has its money back")
    assert await stands(network, successor, 1)

    await acquirer.ReversePayment(ReversePaymentRequest(merchant_id=SHOP.merchant_id, payment_reference=later))
    await until(lambda: stands(network, successor, 0), "the new account has its money back")
    assert await stands(network, card, 0)


async def test_a_chargeback_names_the_card_that_was_paid_with(network: LocalNetwork, parties: Parties) -> None:
    card, successor = await network.open_account(), await network.open_account()
    token = await parties.shop.token(card)
    paid = await parties.shop.submit(token)
    await parties.replace(ISSUER, card, successor)
    vault = network.stub(TokenVaultStub, "tsp", NETWORK)

    found = [
        await vault.FindTransaction(FindTransactionRequest(transaction=paid.transaction, **by))
        for by in ({"pan": card.pan}, {"payment_token": token.payment_token}, {"pan": successor.pan})
    ]

    assert [(one.response_code, one.pan) for one in found] == [("00", card.pan), ("00", card.pan), ("25", "")]
    assert found[0].payment_token == token.payment_token
    assert found[0].token.pan_last_four == successor.last_four


async def test_every_requestors_token_follows_the_card(network: LocalNetwork, parties: Parties) -> None:
    card, successor = await network.open_account(), await network.open_account()
    tokens = [await parties.shop.token(card, requestor) for requestor in (ON_FILE, WITH_CRYPTOGRAM)]

    answer = await parties.replace(ISSUER, card, successor)

    assert len(answer.tokens) == 2
    for token in tokens:
        assert (await parties.shop.checkout(await parties.shop.with_cryptogram(token))).approved
    assert await stands(network, card, 0) and await stands(network, successor, 2)


async def test_a_suspended_token_is_suspended_for_the_new_card_too(network: LocalNetwork, parties: Parties) -> None:
    card, successor = await network.open_account(), await network.open_account()
    token = await parties.shop.token(card)
    await parties.ask(MERCHANT, "Suspend", token)

    await parties.replace(ISSUER, card, successor)

    assert (await parties.shop.checkout(token)).response_code is Code.RESTRICTED_CARD
    await parties.ask(MERCHANT, "Resume", token)
    assert (await parties.shop.checkout(token)).approved
    assert await stands(network, card, 0) and await stands(network, successor, 1)


# A new expiry.


@pytest.mark.parametrize("as_", WHO)
async def test_the_next_authorisation_carries_the_cards_new_expiry(
    network: LocalNetwork, parties: Parties, tap: Tap, as_: str
) -> None:
    card = await network.open_account()
    token = await parties.shop.token(card)

    # The issuer of these tests keeps its accounts as they are: it approves under the account's own expiry alone.
    assert (await parties.renew(as_, card, "3505")).response_code == "00"
    other = await parties.shop.checkout(token)
    assert (await parties.renew(as_, card, card.expiry)).response_code == "00"
    own = await parties.shop.checkout(token)

    assert [asked.pan_expiry for asked in tap.all(AuthoriseRequest)] == ["3505", card.expiry]
    assert (other.response_code, own.response_code) == (Code.EXPIRED_CARD, Code.APPROVED)
    for payment, expiry in ((other, "3505"), (own, card.expiry)):
        assert Change("pan_expiry", 14, token.token_expiry, expiry) in payment.trace.changes(5)
    assert (await parties.shown(token)).token_expiry == token.token_expiry


# A loss.


@pytest.mark.parametrize("as_", WHO)
async def test_a_lost_card_is_paid_with_by_none_of_its_tokens_until_its_issuer_resumes_them(
    network: LocalNetwork, parties: Parties, as_: str
) -> None:
    card = await network.open_account()
    tokens = [await parties.shop.token(card, requestor) for requestor in (ON_FILE, WITH_CRYPTOGRAM)]
    await parties.ask(MERCHANT, "Unlink", tokens[1])

    assert (await parties.lose(as_, card)).response_code == "00"

    lost, gone = [await parties.shown(token) for token in tokens]
    assert (lost.state, list(lost.suspended_by)) == (TokenState.TOKEN_STATE_SUSPENDED, [Party.PARTY_ISSUER])
    assert gone.state == TokenState.TOKEN_STATE_DELETED
    payment = await parties.shop.checkout(tokens[0])
    assert (payment.response_code, payment.steps) == (Code.RESTRICTED_CARD, WITHOUT_ISSUER)
    for other in (MERCHANT, OPERATOR):
        assert (await parties.ask(other, "Resume", tokens[0])).response_code == "57"
    assert (await parties.ask(ISSUER, "Resume", tokens[0])).response_code == "00"
    assert (await parties.shop.checkout(tokens[0])).approved


# Whoever it is not for.


async def test_another_issuer_and_the_requestor_have_no_say_in_a_card(network: LocalNetwork, parties: Parties) -> None:
    card, successor = await network.open_account(), await network.open_account()
    token = await parties.shop.token(card)
    before = await parties.shown(token)
    unknown = await network.open_account()  # known to the issuer, and nobody asked for a token

    for about in (card, unknown):
        answers = [
            await parties.replace("other-issuer", about, successor),
            await parties.renew("other-issuer", about, "3505"),
            await parties.lose("other-issuer", about),
        ]
        assert {(answer.response_code, len(answer.tokens)) for answer in answers} == {("14", 0)}
    for asking in (parties.replace(MERCHANT, card, successor), parties.lose(MERCHANT, card)):
        with pytest.raises(NotPermitted):
            await asking

    assert await parties.shown(token) == before
    assert (await parties.shop.checkout(token)).approved
