"""Steps 1 to 3: token data and merchant identifiers on their way from the shop's site to the network (A11 to A32)."""

import pytest
from shop import BRANCH, PRICE, SHOP, Shop, changed, order
from tap import Tap

from cardnet.card import token_range
from cardnet.errors import InvalidField, KeyReused
from cardnet.response_code import ResponseCode as Code
from cardnet.testing import LocalNetwork
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest
from cardnet.v1.merchant_pb2 import CheckoutRequest
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.network_pb2 import RouteAuthorisationRequest
from cardnet.v1.payment_pb2 import MerchantData, PosEntryMode

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = changed(SHOP, merchant_id="MERCHANT0000009")
CLOSED = changed(SHOP, merchant_id="MERCHANT0000003")
ANOTHERS = MerchantData(
    merchant_id="MERCHANT0000002",
    merchant_domain="other-shop.example",
    merchant_name="Other Shop",
    merchant_category_code="5942",
    merchant_country="826",
)
GAMBLING = changed(SHOP, merchant_id="MERCHANT0000004", merchant_category_code="7995")


# Step 1.


async def test_the_token_travels_in_the_field_of_the_pan(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    token = await shop.new_token()

    payment = await shop.checkout(token)

    assert tap.only(CheckoutRequest).token_data.payment_token == token.payment_token
    assert token_range(token.payment_token)
    for step in payment.trace.steps[:3]:
        assert step.by_label()["DE2"] == ("payment_token", f"••••{token.payment_token[-4:]}")


async def test_the_token_expiry_travels_in_the_field_of_the_pan_expiry(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    token = await shop.new_token()

    payment = await shop.checkout(token)

    assert tap.only(CheckoutRequest).token_data.token_expiry == token.token_expiry == "2901"
    for step in payment.trace.steps[:3]:
        assert step.by_label()["DE14"] == ("token_expiry", "2901")


async def test_the_site_completes_a_card_on_file_likewise(network: LocalNetwork) -> None:
    card = await network.save_card(await network.open_account())

    step_1 = (await network.checkout(card, PRICE)).trace.steps[0]

    assert step_1.number == 1
    assert step_1.by_label()["DE2"] == ("payment_token", f"••••{card.token_last_four}")
    assert step_1.by_label()["DE14"] == ("token_expiry", "2901")
    assert step_1.fields["cryptogram"] == "present"
    assert card.token_last_four != card.pan_last_four


@pytest.mark.parametrize("brought", ["00000000001", ""], ids=["brought", "left out"])
async def test_the_requestor_may_be_brought_or_left_out(network: LocalNetwork, tap: Tap, brought: str) -> None:
    shop = Shop(network)
    token = changed(await shop.new_token(), token_requestor_id=brought)

    payment = await shop.checkout(token)

    assert payment.approved
    assert payment.trace.steps[0].fields.get("token_requestor_id", "") == brought
    assert tap.only(CheckoutRequest).token_data.token_requestor_id == brought


async def test_a_cryptogram_is_made_from_the_token_data_and_may_be_left_out(network: LocalNetwork) -> None:
    shop = Shop(network)
    token, other = await shop.new_token(), await shop.new_token()
    made = await shop.with_cryptogram(token)

    assert (await shop.checkout(token)).approved
    # It belongs to the token that it was made from, and to no other.
    swapped = await shop.checkout(changed(other, cryptogram=made.cryptogram))
    assert swapped.response_code is Code.CRYPTOGRAM_FAILURE
    assert (await shop.checkout(made)).approved


async def test_the_other_merchant_identifiers_are_created_and_passed(network: LocalNetwork, tap: Tap) -> None:
    card = await network.save_card(await network.open_account())

    payment = await network.checkout(card, PRICE)

    assert not tap.only(CheckoutRequest).HasField("merchant")
    step_1 = payment.trace.steps[0]
    assert {label: step_1.by_label()[label][1] for label in ("DE18", "DE19", "DE42", "DE43")} == {
        "DE18": "5732",
        "DE19": "840",
        "DE42": "MERCHANT0000001",
        "DE43": "Example Shop",
    }
    assert step_1.fields["merchant_domain"] == "shop.example"


@pytest.mark.parametrize("merchant", [SHOP, changed(SHOP, merchant_id="MERCHANT0000005")], ids=["own", "another's"])
async def test_a_caller_who_gives_merchant_identifiers_gives_the_shops_own(
    network: LocalNetwork, tap: Tap, merchant: MerchantData
) -> None:
    token = await Shop(network).new_token()
    request = CheckoutRequest(
        idempotency_key=order(), token_data=token, amount_minor=1240, currency="840", merchant=merchant
    )
    merchants = network.stub(MerchantStub, "merchant")
    if merchant == SHOP:
        assert (await merchants.Checkout(request)).approved
    else:
        with pytest.raises(InvalidField, match="merchant: must be the shop's own"):
            await merchants.Checkout(request)
        assert not tap.calls("SubmitPayment")


@pytest.mark.parametrize(
    ("requestor", "merchant", "amount", "code"),
    [
        ("00000000001", SHOP, "1240 JPY", Code.APPROVED),
        ("00000000002", SHOP, "1240 JPY", Code.NOT_PERMITTED_TO_CARD),
        ("00000000001", BRANCH, "1240 JPY", Code.NOT_PERMITTED_TO_CARD),
    ],
    ids=["own domain", "another requestor", "another merchant"],
)
async def test_requestor_and_merchant_identifiers_restrict_where_a_token_is_good(
    network: LocalNetwork, tap: Tap, requestor: str, merchant: MerchantData, amount: str, code: Code
) -> None:
    shop = Shop(network)
    token = await shop.new_token(balance="5000 JPY")

    answer = await shop.submit(changed(token, token_requestor_id=requestor), amount, merchant=merchant)

    assert answer.response_code == code
    assert len(tap.calls("Detokenise")) == 1
    assert len(tap.calls("Authorise")) == code.approved


# Step 2.


async def test_the_acquirer_gets_all_token_data_and_merchant_identifiers(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    token = await shop.with_cryptogram(await shop.new_token())

    await shop.checkout(token)

    sent = tap.only(SubmitPaymentRequest)
    assert sent.token_data == token
    assert token.cryptogram
    assert sent.merchant == SHOP
    assert (sent.amount_minor, sent.currency) == (1240, "840")


async def test_the_entry_mode_says_e_commerce(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)

    payment = await shop.checkout(await shop.new_token())

    assert tap.only(SubmitPaymentRequest).pos_entry_mode == PosEntryMode.POS_ENTRY_MODE_ECOMMERCE == 81
    assert payment.trace.steps[1].by_label()["DE22"] == ("pos_entry_mode", "ECOMMERCE")


async def test_a_card_on_file_is_called_so_where_the_tokens_domain_agrees(network: LocalNetwork, tap: Tap) -> None:
    card = await network.save_card(await network.open_account())

    payment = await network.checkout(card, PRICE)

    assert tap.only(SubmitPaymentRequest).pos_entry_mode == PosEntryMode.POS_ENTRY_MODE_CREDENTIAL_ON_FILE == 10
    assert payment.approved


# Step 3.


@pytest.mark.parametrize(
    ("fields", "amount", "code"),
    [
        ({"merchant": UNKNOWN}, PRICE, Code.INVALID_MERCHANT),
        ({"merchant": ANOTHERS}, "12.40 GBP", Code.INVALID_MERCHANT),
        ({"merchant": CLOSED}, PRICE, Code.INVALID_MERCHANT),
        ({"merchant": changed(SHOP, merchant_category_code="5411")}, PRICE, Code.INVALID_MERCHANT),
        ({"merchant": changed(SHOP, merchant_country="392")}, PRICE, Code.INVALID_MERCHANT),
        ({"merchant": GAMBLING}, PRICE, Code.NOT_PERMITTED_TO_CARD),
        ({"pos_entry_mode": PosEntryMode.POS_ENTRY_MODE_MANUAL}, PRICE, Code.INVALID_TRANSACTION),
        ({"merchant": BRANCH}, PRICE, Code.NOT_PERMITTED_TO_CARD),
    ],
    ids=["unknown", "another's", "closed", "category", "country", "blocked category", "entry mode", "currency"],
)
async def test_the_acquirer_refuses_what_fails_its_own_checks(
    network: LocalNetwork, tap: Tap, fields: dict[str, object], amount: str, code: Code
) -> None:
    shop = Shop(network)

    answer = await shop.submit(await shop.new_token(), amount, **fields)

    assert answer.response_code == code
    assert not answer.HasField("transaction")
    assert not tap.calls("RouteAuthorisation")


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        ("9999400000000015", "must end in a valid check digit"),
        ("9999000000000012", "must be in a token range"),
        ("999940000000", "must be 13 to 19 digits"),
    ],
    ids=["check digit", "a card number", "too short"],
)
async def test_the_acquirer_takes_no_number_that_is_not_a_token(
    network: LocalNetwork, tap: Tap, number: str, rule: str
) -> None:
    shop = Shop(network)
    token = changed(await shop.new_token(), payment_token=number)

    with pytest.raises(InvalidField, match=rf"token_data\.payment_token: {rule}") as refused:
        await shop.submit(token)

    assert number not in str(refused.value)
    assert not tap.calls("RouteAuthorisation")


async def test_the_acquirer_knows_a_repeat_from_another_payment_under_its_name(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    token = await shop.new_token()
    reference = order()
    first = await shop.submit(token, payment_reference=reference)

    assert await shop.submit(token, payment_reference=reference) == first
    with pytest.raises(KeyReused):
        await shop.submit(token, "12.41 USD", payment_reference=reference)

    assert len(tap.calls("RouteAuthorisation")) == 1


async def test_the_acquirer_numbers_the_payment(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    for _ in range(2):
        await shop.checkout(await shop.new_token())

    first, second = (request.transaction for request in tap.all(RouteAuthorisationRequest))
    assert int(second.stan) == int(first.stan) + 1
    # 2026-01-15T09:00:00Z: YDDDHH and the STAN, and MMDDhhmmss.
    assert first.rrn == f"601509{first.stan}"
    assert first.transmission_time == "0115090000"
    assert first.acquirer_id == "99990000001"


async def test_the_network_gets_the_token_data_with_the_cryptogram(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    token = await shop.with_cryptogram(await shop.new_token())

    await shop.checkout(token)

    passed_on = tap.only(RouteAuthorisationRequest)
    assert passed_on.token_data == token
    assert passed_on.token_data.cryptogram
    assert passed_on.merchant == SHOP
    assert passed_on.pos_entry_mode == PosEntryMode.POS_ENTRY_MODE_ECOMMERCE
