"""Cards from wallets: the shop opens the details, judges every member, and takes them for one order alone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from browser_neighbours import PAGE, house_of_browsers
from houses import SHOP, MerchantHouse, order
from neighbours import CRYPTOGRAM, TOKEN
from patience import STORE_TIMEOUT_S
from wallets import DETAILS, KEPT, ONCE, REQUESTORS, bound, from_wallet

from cardnet import messages
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InvalidField, KeyReused
from cardnet.money import Money
from cardnet.store import Store
from cardnet.tokenized_card import encrypt
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest
from cardnet.v1.merchant_pb2 import TokenizedCard
from cardnet.v1.payment_pb2 import TokenData
from services.merchant.payment_key import PaymentKeys

CHECKOUT = "/cardnet.v1.Merchant/Checkout"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("merchant",)) as server:
        yield server


@pytest.fixture
async def house(server: EmbeddedStore) -> AsyncIterator[MerchantHouse]:
    async with await house_of_browsers(server) as house:
        yield house


@pytest.mark.parametrize("claimed", [False, True])
async def test_a_wallet_s_card_pays_with_what_was_in_the_details(house, claimed) -> None:
    details = await bound(house) if claimed else DETAILS
    answer = await house.start().calls.Checkout(order(tokenized_card=await from_wallet(house, details)))

    assert (answer.approved, answer.response_code, answer.card_on_file_id) == (True, "00", "")
    assert house.tsp.asked == []
    assert house.acquirer.asked == [
        SubmitPaymentRequest(
            payment_reference="order-1",
            token_data=TokenData(
                payment_token=TOKEN,
                token_expiry="2911",
                token_requestor_id=REQUESTORS[ONCE],
                cryptogram=CRYPTOGRAM,
            ),
            merchant=SHOP,
            amount_minor=1250,
            currency="978",
            pos_entry_mode=81,
        )
    ]


async def test_what_the_document_leaves_to_the_wallet_may_be_missing(house) -> None:
    bare = await from_wallet(house, trid=None, eci=None, typeOfCryptogram=None)
    assert (await house.start().calls.Checkout(order(tokenized_card=bare))).approved
    assert house.acquirer.asked[0].token_data.token_requestor_id == REQUESTORS[ONCE]


@pytest.mark.parametrize(
    ("amount", "amount_minor", "currency"),
    [("12.40 USD", 1240, "840"), ("1240 JPY", 1240, "392"), ("1.240 KWD", 1240, "414")],
)
async def test_the_total_is_compared_in_the_currency_s_own_decimals(house, amount, amount_minor, currency) -> None:
    details = await bound(house, total=Money.parse(amount))
    card = await from_wallet(house, details)
    request = order(tokenized_card=card, amount_minor=amount_minor, currency=currency)
    assert (await house.start().calls.Checkout(request)).approved


# What is refused.


@pytest.mark.parametrize(
    ("member", "wrong"),
    [
        ("cardNumber", "9999400000000015"),
        ("expiryMonth", "13"),
        ("expiryYear", "29"),
        ("cryptogram", "short"),
        ("typeOfCryptogram", "OTHER"),
        ("trid", REQUESTORS[KEPT]),  # the shop's, for another usage
        ("trid", "00000000006"),  # a wallet's own
        ("eci", "5"),
        ("paymentRequestId", "request-2"),
        ("topOrigin", "http://localhost:8081"),
        ("total", {"currency": "EUR", "value": "12.51"}),
        ("total", {"currency": "USD", "value": "12.50"}),
        ("total", {"currency": "EUR", "value": "12.5"}),
        ("iat", None),
        ("exp", 1),
        ("jti", ""),
    ],
)
async def test_a_member_that_does_not_fit_is_named_and_the_key_stays_good(house, member, wrong) -> None:
    shop, details = house.start(), await bound(house)
    with pytest.raises(InvalidField) as violation:
        await shop.calls.Checkout(order(tokenized_card=await from_wallet(house, details, **{member: wrong})))
    assert violation.value.field == f"tokenized_card.encrypted_details.{member}"
    assert len(str(wrong)) < 5 or str(wrong) not in str(violation.value)
    assert house.acquirer.asked == house.acquirer.taken_back == []
    assert (await shop.calls.Checkout(order(tokenized_card=await from_wallet(house, details)))).approved


async def test_details_that_are_too_old_or_of_the_future_are_refused(house) -> None:
    shop, card = house.start(), await from_wallet(house, await bound(house))
    house.clock.advance(timedelta(seconds=300))
    with pytest.raises(InvalidField, match=r"exp: must not be over"):
        await shop.calls.Checkout(order(tokenized_card=card))
    now = int(house.clock.now().timestamp())
    early = await from_wallet(house, await bound(house, issued_at=now + 90, expires_at=now + 390))
    with pytest.raises(InvalidField, match=r"iat: must not be in the future"):
        await shop.calls.Checkout(order(tokenized_card=early))


async def test_an_order_that_was_paid_is_told_again_however_old_its_details_are(house) -> None:
    request = order(tokenized_card=await from_wallet(house, await bound(house)))
    first = await house.start().ask(CHECKOUT, request)
    house.clock.advance(timedelta(days=2))
    house.payment_keys = PaymentKeys("", "shop.example", house.clock)  # and the key is another by now
    assert await house.start().ask(CHECKOUT, request) == first
    assert len(house.acquirer.asked) == 1


async def test_what_the_page_asked_to_be_bound_must_be_bound_and_the_other_way_round(house) -> None:
    shop = house.start()
    free, claimed = await from_wallet(house), await from_wallet(house, await bound(house))
    for card, changes, field in (
        (free, {"payment_request_id": "request-1", "origin": PAGE}, "encrypted_details.paymentRequestId"),
        (claimed, {"payment_request_id": "", "origin": ""}, "payment_request_id"),
        (claimed, {"origin": ""}, "origin"),
        (claimed, {"payment_request_id": ""}, "payment_request_id"),
    ):
        changed = TokenizedCard.FromString(card.SerializeToString())
        for name, value in changes.items():
            setattr(changed, name, value)
        with pytest.raises(InvalidField) as violation:
            await shop.calls.Checkout(order(tokenized_card=changed))
        assert violation.value.field == f"tokenized_card.{field}"


async def test_details_for_another_s_key_are_refused(house) -> None:
    other = await PaymentKeys("", "other-shop.example", house.clock).key()
    card = TokenizedCard(encrypted_details=encrypt(DETAILS.members, other.jwk))
    with pytest.raises(InvalidField, match="kid") as violation:
        await house.start().calls.Checkout(order(tokenized_card=card))
    assert violation.value.field == "tokenized_card.encrypted_details"


async def test_the_same_details_do_not_pay_for_another_order_at_any_instance(house) -> None:
    card = await from_wallet(house)
    assert (await house.start().calls.Checkout(order(tokenized_card=card))).approved
    for shop in (house.start(), house.start()):
        with pytest.raises(KeyReused) as fault:
            await shop.calls.Checkout(order("order-2", tokenized_card=card))
        assert fault.value.reason == "DETAILS_REUSED"
    assert len(house.acquirer.asked) == 1


async def test_details_that_are_encrypted_anew_under_the_same_name_are_the_same(house) -> None:
    shop, details = house.start(), await bound(house)
    assert (await shop.calls.Checkout(order(tokenized_card=await from_wallet(house, details)))).approved
    with pytest.raises(KeyReused):
        await shop.calls.Checkout(order("order-2", tokenized_card=await from_wallet(house, details)))


async def test_of_many_orders_that_bring_the_same_details_at_once_one_is_paid(house) -> None:
    card, shops = await from_wallet(house), (house.start(), house.start())
    calls = (shops[at % 2].calls.Checkout(order(f"order-{at}", tokenized_card=card)) for at in range(8))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CheckoutResponse", *["KeyReused"] * 7]
    assert len(house.acquirer.asked) == 1


async def test_a_payment_that_was_refused_has_used_the_details_up(house) -> None:
    shop, card = house.start(), await from_wallet(house)
    house.acquirer.response_code = "51"
    assert (await shop.calls.Checkout(order(tokenized_card=card))).response_code == "51"
    with pytest.raises(KeyReused):
        await shop.calls.Checkout(order("order-2", tokenized_card=card))


async def test_an_order_that_was_not_begun_may_come_again_with_its_details(house) -> None:
    card = await from_wallet(house)
    house.acquirer.before_approving = InvalidField("amount_minor", "must be from 1")
    with pytest.raises(InvalidField):
        await house.start().calls.Checkout(order(tokenized_card=card))
    house.acquirer.before_approving = None
    assert (await house.start().calls.Checkout(order(tokenized_card=card))).approved


async def stored(server: EmbeddedStore) -> str:
    """Everything in the store, as text: of the merchant there are strings, hashes and a sorted set."""
    admin = Store(server.admin_url, owner="test", timeout_s=STORE_TIMEOUT_S)
    found: list[Any] = []
    for key in await admin.command("KEYS", "*"):
        kind = await admin.command("TYPE", key)
        reading = {b"string": ("GET", key), b"hash": ("HGETALL", key), b"zset": ("ZRANGE", key, "0", "-1")}
        found += [key, await admin.command(*reading[kind.encode() if isinstance(kind, str) else kind])]
    await admin.close()
    return str(found)


async def test_of_details_that_paid_once_a_digest_is_kept_and_nothing_is_shown(house, server) -> None:
    recorded: list[Any] = []
    shop, card = house.start(), await from_wallet(house, await bound(house))
    shop.border._recorder.record = recorded.append
    await shop.calls.Checkout(order(tokenized_card=card))
    kept = await stored(server)
    assert "merchant:{used:jwe:" in kept
    for secret in (TOKEN, CRYPTOGRAM, card.encrypted_details, "details-1"):
        assert secret not in str(messages.show(recorded[-1].request))
        assert secret not in kept
