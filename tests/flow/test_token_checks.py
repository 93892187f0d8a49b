"""Step 4: what the token service provider checks, in which order, and what comes of each refusal (A41 to A45, A47)."""

from datetime import timedelta

import pytest
from refusals import altered, refused
from shop import BRANCH, ON_FILE, SHOP, WITH_CRYPTOGRAM, Shop, changed
from tap import Tap

from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest
from cardnet.cde.v1.token_vault_pb2 import Control, DetokeniseRequest, DetokeniseResponse, Refusal
from cardnet.response_code import ResponseCode as Code
from cardnet.testing import LocalNetwork
from cardnet.v1.payment_pb2 import PosEntryMode, TokenData

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "9999400000000014"
CONTROLS = Control.values()[1:]


# The lookup.


async def test_the_network_has_the_token_service_provider_find_the_pan(network: LocalNetwork, tap: Tap) -> None:
    shop, card = Shop(network), await network.open_account()
    token = await shop.token(card)

    payment = await shop.checkout(token)

    assert tap.only(DetokeniseRequest).token_data == token
    told = tap.only(DetokeniseResponse)
    assert (told.pan, told.pan_expiry) == (card.pan, card.expiry)
    assert payment.trace.steps[3].by_label()["DE2"] == ("pan", f"••••{card.last_four}")
    assert payment.trace.steps[3].fields["payment_token"] == f"••••{token.payment_token[-4:]}"


async def test_a_token_that_nobody_issued_is_refused(network: LocalNetwork, tap: Tap) -> None:
    payment = await Shop(network).checkout(TokenData(payment_token=UNKNOWN, token_expiry="2901"))

    refused(payment, tap, Code.INVALID_CARD, "TOKEN_UNKNOWN")
    assert payment.pan_last_four == ""


@pytest.mark.parametrize("cryptogram", [False, True], ids=["alone", "with a cryptogram"])
async def test_the_requestor_is_found_where_the_message_did_not_bring_it(
    network: LocalNetwork, tap: Tap, cryptogram: bool
) -> None:
    shop = Shop(network)
    token = await shop.new_token()
    if cryptogram:
        token = await shop.with_cryptogram(token)

    payment = await shop.checkout(changed(token, token_requestor_id=""))

    assert payment.approved
    assert tap.only(DetokeniseRequest).token_data.token_requestor_id == ""
    told = tap.only(DetokeniseResponse)
    assert told.token_requestor_id == tap.only(AuthoriseRequest).token_requestor_id == ON_FILE
    # What was not brought was not checked, and nobody says it was.
    assert Control.CONTROL_TOKEN_REQUESTOR_ID not in told.controls_passed


# State.


@pytest.mark.parametrize(
    ("state", "code"),
    [("SUSPENDED", Code.RESTRICTED_CARD), ("DELETED", Code.TOKEN_NOT_IN_USE), ("INACTIVE", Code.TOKEN_NOT_IN_USE)],
)
async def test_a_token_that_is_not_active_is_refused(network: LocalNetwork, tap: Tap, state: str, code: Code) -> None:
    shop = Shop(network)
    token = await shop.token_in(state)

    refused(await shop.checkout(token), tap, code, f"TOKEN_{state}")


async def test_a_resumed_token_pays_again(network: LocalNetwork) -> None:
    shop = Shop(network)
    token = await shop.new_token()
    await shop.put(token, "SUSPENDED")
    await shop.put(token, "ACTIVE")

    assert (await shop.checkout(token)).approved


# Domain restriction controls.


async def test_another_requestor_than_the_tokens_is_refused(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    token = changed(await shop.new_token(), token_requestor_id="00000000002")

    refused(await shop.checkout(token), tap, Code.NOT_PERMITTED_TO_CARD, "TOKEN_REQUESTOR_MISMATCH")


async def test_a_token_of_another_shop_is_refused_here(network: LocalNetwork, tap: Tap) -> None:
    stolen = await Shop(network, identity="other-merchant").new_token("00000000003")

    # With its own requestor as with none: the merchant alone gives it away.
    for token in (stolen, changed(stolen, token_requestor_id="")):
        payment = await Shop(network).checkout(token)
        refused(payment, tap, Code.NOT_PERMITTED_TO_CARD, "MERCHANT_NOT_ALLOWED")


async def test_an_entry_mode_outside_the_domain_is_refused(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    token = await shop.with_cryptogram(await shop.new_token(WITH_CRYPTOGRAM))

    answer = await shop.submit(token, pos_entry_mode=PosEntryMode.POS_ENTRY_MODE_CREDENTIAL_ON_FILE)

    assert answer.response_code == Code.NOT_PERMITTED_TO_TERMINAL
    assert tap.only(DetokeniseResponse).refusal == Refusal.REFUSAL_ENTRY_MODE_NOT_ALLOWED
    assert not tap.calls("Authorise")


# Expiry.


async def test_an_expiry_that_is_not_the_tokens_is_refused(network: LocalNetwork, tap: Tap) -> None:
    shop, card = Shop(network), await network.open_account()
    token = await shop.token(card)

    # The card's own expiry is not the token's.
    payment = await shop.checkout(changed(token, token_expiry=card.expiry))
    refused(payment, tap, Code.EXPIRED_CARD, "TOKEN_EXPIRY_MISMATCH")


@pytest.mark.parametrize(("days", "approved"), [(365 * 3 + 1 + 15, True), (365 * 3 + 1 + 17, False)])
async def test_a_token_is_good_to_the_end_of_its_month(
    later: LocalNetwork, tap: Tap, days: int, approved: bool
) -> None:
    shop = Shop(later)
    token = await shop.new_token()
    later.advance(timedelta(days=days))

    payment = await shop.checkout(token)

    assert payment.approved is approved
    if not approved:
        refused(payment, tap, Code.EXPIRED_CARD, "TOKEN_EXPIRED")


# The order.

ROWS = [
    ("TOKEN_UNKNOWN", Code.INVALID_CARD, 0),
    ("TOKEN_REQUESTOR_MISMATCH", Code.NOT_PERMITTED_TO_CARD, 1),
    ("MERCHANT_NOT_ALLOWED", Code.NOT_PERMITTED_TO_CARD, 2),
    ("ENTRY_MODE_NOT_ALLOWED", Code.NOT_PERMITTED_TO_TERMINAL, 3),
    ("TOKEN_SUSPENDED", Code.RESTRICTED_CARD, 4),
    ("TOKEN_EXPIRY_MISMATCH", Code.EXPIRED_CARD, 5),
    ("CRYPTOGRAM_MISSING", Code.SECURITY_VIOLATION, 6),
    ("CRYPTOGRAM_FORMAT", Code.CRYPTOGRAM_FAILURE, 6),
    ("CRYPTOGRAM_KEY_UNKNOWN", Code.CRYPTOGRAM_FAILURE, 6),
    ("CRYPTOGRAM_WRONG", Code.CRYPTOGRAM_FAILURE, 6),
    ("CRYPTOGRAM_REPLAYED", Code.CRYPTOGRAM_FAILURE, 6),
    ("UNSPECIFIED", Code.APPROVED, 7),
]
"""Each row repairs the fault above it: what answers, with which code, and how many controls have passed by then."""


@pytest.mark.parametrize("repaired", range(len(ROWS)), ids=[reason for reason, _, _ in ROWS])
async def test_the_checks_are_made_in_one_order(network: LocalNetwork, tap: Tap, repaired: int) -> None:
    reason, code, passed = ROWS[repaired]
    shop = Shop(network)
    token = await shop.new_token(WITH_CRYPTOGRAM, balance="100000 JPY")
    cryptograms = await cryptograms_of(shop, token)
    tap.exchanges.clear()
    if repaired < 5:
        await shop.put(token, "SUSPENDED")
    data = TokenData(
        payment_token=token.payment_token if repaired > 0 else UNKNOWN,
        token_requestor_id=WITH_CRYPTOGRAM if repaired > 1 else ON_FILE,
        token_expiry=token.token_expiry if repaired > 5 else "2902",
        cryptogram=cryptograms.get(reason, ""),
    )

    answer = await shop.submit(
        data,
        "1240 JPY",
        merchant=SHOP if repaired > 2 else BRANCH,
        pos_entry_mode=81 if repaired > 3 else 10,
    )

    told = tap.only(DetokeniseResponse)
    assert Refusal.Name(told.refusal) == f"REFUSAL_{reason}"
    assert answer.response_code == code
    assert told.controls_passed == CONTROLS[:passed]
    assert len(tap.calls("Authorise")) == code.approved


async def cryptograms_of(shop: Shop, token: TokenData) -> dict[str, str]:
    """A cryptogram for each reason that is one's own; the last two are right, and one of them was used."""
    used = await shop.with_cryptogram(token, "1240 JPY")
    right = await shop.with_cryptogram(token, "1240 JPY")
    assert (await shop.submit(used, "1240 JPY")).response_code == Code.APPROVED
    return {
        "CRYPTOGRAM_FORMAT": altered(right.cryptogram, 0),
        "CRYPTOGRAM_KEY_UNKNOWN": altered(right.cryptogram, 17),
        "CRYPTOGRAM_WRONG": altered(right.cryptogram, 1),
        "CRYPTOGRAM_REPLAYED": used.cryptogram,
        "UNSPECIFIED": right.cryptogram,
    }
