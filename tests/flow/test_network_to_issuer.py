"""Steps 5 and 6: the PAN in the token's place, what the issuer is told beside it, and its answer (A51 to A67)."""

import pytest
from shop import ON_FILE, PRICE, WITH_CRYPTOGRAM, Shop, changed
from tap import Tap

from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest, AuthoriseResponse
from cardnet.cde.v1.token_vault_pb2 import Control, OnBehalfOfValidation
from cardnet.response_code import ResponseCode as Code
from cardnet.steps import STEPS
from cardnet.testing import LocalNetwork
from cardnet.traces.trace import Change
from cardnet.v1.network_pb2 import RouteAuthorisationRequest
from cardnet.v1.payment_pb2 import PosEntryMode

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_pan_takes_the_tokens_place(network: LocalNetwork, tap: Tap) -> None:
    shop, card = Shop(network), await network.open_account()
    token = await shop.token(card)

    payment = await shop.checkout(token)

    assert tap.only(RouteAuthorisationRequest).token_data.payment_token == token.payment_token
    assert tap.only(AuthoriseRequest).pan == card.pan
    swap = Change("pan", 2, f"••••{token.payment_token[-4:]}", f"••••{card.last_four}")
    assert swap in payment.trace.changes(5)
    assert card.pan.encode() not in tap.at_the_edge()


async def test_the_pan_expiry_takes_the_token_expirys_place(network: LocalNetwork, tap: Tap) -> None:
    shop, card = Shop(network), await network.open_account()
    token = await shop.token(card)
    assert token.token_expiry != card.expiry

    payment = await shop.checkout(token)

    assert tap.only(AuthoriseRequest).pan_expiry == card.expiry
    assert Change("pan_expiry", 14, token.token_expiry, card.expiry) in payment.trace.changes(5)


@pytest.mark.parametrize("cryptogram", [True, False], ids=["with a cryptogram", "without one"])
async def test_an_indicator_tells_of_the_validation_on_the_issuers_behalf(
    network: LocalNetwork, tap: Tap, cryptogram: bool
) -> None:
    shop = Shop(network)
    token = await shop.new_token()
    if cryptogram:
        token = await shop.with_cryptogram(token)

    payment = await shop.checkout(token)

    asked = tap.only(AuthoriseRequest)
    assert asked.on_behalf_of_validation == OnBehalfOfValidation.ON_BEHALF_OF_VALIDATION_PASSED
    # It claims what was validated and no more.
    assert (Control.CONTROL_CRYPTOGRAM in asked.controls_passed) is cryptogram
    assert asked.controls_passed[:6] == Control.values()[1:7]
    assert asked.cryptogram == ""
    assert "on_behalf_of_validation" in [change.name for change in payment.trace.changes(5)]


async def test_the_issuer_gets_the_token_in_a_field_of_its_own(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    token = await shop.new_token()

    payment = await shop.checkout(token)

    assert tap.only(AuthoriseRequest).payment_token == token.payment_token
    assert payment.trace.steps[4].by_label()["payment_token"][1] == f"••••{token.payment_token[-4:]}"


async def test_the_issuer_gets_the_token_expiry(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    token = await shop.new_token()

    await shop.checkout(token)

    assert tap.only(AuthoriseRequest).token_expiry == token.token_expiry


async def test_the_issuer_gets_the_token_assurance_data(network: LocalNetwork, tap: Tap) -> None:
    await Shop(network).checkout(await Shop(network).new_token())

    assert tap.only(AuthoriseRequest).token_assurance_data == "issuer account verification"


async def test_the_issuer_gets_the_token_assurance_level(network: LocalNetwork, tap: Tap) -> None:
    await Shop(network).checkout(await Shop(network).new_token())

    assert tap.only(AuthoriseRequest).token_assurance_level == "10"


@pytest.mark.parametrize("requestor", [ON_FILE, WITH_CRYPTOGRAM])
async def test_the_issuer_gets_the_token_requestor(network: LocalNetwork, tap: Tap, requestor: str) -> None:
    shop = Shop(network)
    token = await shop.with_cryptogram(await shop.new_token(requestor))

    await shop.checkout(changed(token, token_requestor_id=""))

    assert tap.only(AuthoriseRequest).token_requestor_id == requestor


@pytest.mark.parametrize(
    "mode", [PosEntryMode.POS_ENTRY_MODE_CREDENTIAL_ON_FILE, PosEntryMode.POS_ENTRY_MODE_ECOMMERCE]
)
async def test_the_issuer_gets_the_entry_mode(network: LocalNetwork, tap: Tap, mode: int) -> None:
    shop = Shop(network)

    await shop.submit(await shop.new_token(), pos_entry_mode=mode)

    assert tap.only(AuthoriseRequest).pos_entry_mode == mode


@pytest.mark.parametrize(
    ("status", "balance", "code"),
    [
        ("OPEN", "12.40 USD", Code.APPROVED),
        ("OPEN", "12.39 USD", Code.INSUFFICIENT_FUNDS),
        ("OPEN", "12.40 EUR", Code.NOT_PERMITTED_TO_CARD),
        ("LOST", "12.40 USD", Code.LOST_CARD),
        ("STOLEN", "12.40 USD", Code.STOLEN_CARD),
        ("BLOCKED", "12.40 USD", Code.RESTRICTED_CARD),
        ("DO_NOT_HONOUR", "12.40 USD", Code.DO_NOT_HONOUR),
    ],
)
async def test_the_issuer_validates_the_account_decides_and_answers(
    network: LocalNetwork, tap: Tap, status: str, balance: str, code: Code
) -> None:
    shop, card = Shop(network), await network.open_account(balance, status=status)

    payment = await shop.checkout(await shop.token(card), PRICE)

    answer = tap.only(AuthoriseResponse)
    assert (answer.pan, answer.response_code) == (card.pan, code)
    assert bool(answer.auth_code) is code.approved
    assert payment.response_code is code
    assert payment.steps == STEPS
    account = await network.account(card)
    assert (account.held_minor, account.holds) == ((1240, 1) if code.approved else (0, 0))
