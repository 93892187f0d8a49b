"""Tokenized card by Payment Request: what is encrypted, and what it pays: B23, B31 to B42."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from interop import opened, opened_by_jose, payment_key
from merchant_environment import held, traces_of
from payee import Payee
from person import Person
from shopping import NINE, confirm, open_wallet, pay_by_wallet, press, receipt

from cardnet.card import Expiry, PaymentToken, card_range
from cardnet.errors import Fault, InvalidField, KeyReused
from cardnet.test_cards import test_card
from cardnet.v1.merchant_pb2 import CheckoutRequest, CheckoutResponse, TokenizedCard
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.payment_pb2 import TokenData
from cardnet.v1.token_pb2 import TOKEN_USAGE_CARD_ON_FILE, TOKEN_USAGE_ONE_TIME, TOKEN_USAGE_RECURRING

CARD = test_card("approved")
BOUND = {"bindToRequest": True}


async def claims(person: Person, data: dict[str, Any] | None = None, **asked: Any) -> dict[str, Any]:
    """What the shop's server reads in the details of a payment."""
    details = await Payee(person, data or {}).paid(CARD.last_four, **asked)
    return opened(person.network, details["encryptedDetails"])


async def ordered(person: Person, details: str, order: str, **changed: Any) -> CheckoutResponse:
    """What becomes of an order that is paid with details."""
    card = TokenizedCard(encrypted_details=details, usage=TOKEN_USAGE_ONE_TIME)
    for name in ("payment_request_id", "origin", "usage"):
        if name in changed:
            setattr(card, name, changed.pop(name))
    wish: dict[str, Any] = {"idempotency_key": order, "amount_minor": 1240, "currency": "840", **changed}
    answer: CheckoutResponse = await person.network.stub(MerchantStub, "merchant").Checkout(
        CheckoutRequest(tokenized_card=card, **wish)
    )
    return answer


async def test_the_card_number_is_a_payment_token(person: Person) -> None:
    token = PaymentToken((await claims(person))["cardNumber"])
    assert card_range(token.reveal()) is None and token.reveal() != CARD.pan


async def test_the_expiry_is_the_tokens_and_not_the_cards(person: Person) -> None:
    found = await claims(person)
    assert re.fullmatch(r"0[1-9]|1[0-2]", found["expiryMonth"]) and re.fullmatch(r"20[0-9]{2}", found["expiryYear"])
    assert str(Expiry(int(found["expiryYear"]), int(found["expiryMonth"]))) != CARD.expiry


async def test_a_cryptogram_proves_that_the_token_is_for_this_purchase(person: Person) -> None:
    details = (await Payee(person).paid(CARD.last_four))["encryptedDetails"]
    refused = await ordered(person, details, "dearer", amount_minor=1241)  # the shop believes it; the network does not
    assert (refused.approved, refused.response_code) == (False, "82")
    fresh = (await Payee(person, id="request-2").paid(CARD.last_four))["encryptedDetails"]
    assert (await ordered(person, fresh, "as-agreed")).approved


async def test_the_kind_of_cryptogram_is_told(person: Person) -> None:
    assert (await claims(person))["typeOfCryptogram"] == "SIM-TAVV"


async def test_the_requestor_is_the_payees_own(person: Person) -> None:
    assert (await claims(person))["trid"] == "00000000004"  # this shop's for one payment


@pytest.mark.parametrize(("authenticated", "eci"), [(True, "05"), (False, "07")])
async def test_the_indicator_says_whether_the_user_was_authenticated(
    person: Person, authenticated: bool, eci: str
) -> None:
    assert (await claims(person, authenticated=authenticated))["eci"] == eci


async def test_the_merchants_environment_never_holds_the_number(person: Person) -> None:
    paid = await pay_by_wallet(person, "tea", CARD.last_four)
    assert paid.state == "approved"
    assert await traces_of(person, CARD) == set()
    assert await held(person, paid.rrn) == {"what the shop's page keeps", "the store"}


async def test_the_details_drive_the_nine_steps(person: Person) -> None:
    paid = await pay_by_wallet(person, "tea", CARD.last_four)
    assert (paid.state, paid.amount, paid.steps) == ("approved", "12.40 USD", NINE)
    assert paid.field(1, "token_requestor_id") == "00000000004"
    assert CARD.last_four in paid.card


async def test_a_one_time_token_pays_once(person: Person) -> None:
    found = await claims(person)
    data = TokenData(
        payment_token=found["cardNumber"],
        token_expiry=found["expiryYear"][2:] + found["expiryMonth"],
        token_requestor_id=found["trid"],
        cryptogram=found["cryptogram"],
    )
    merchant = person.network.stub(MerchantStub, "merchant")

    def order(key: str) -> CheckoutRequest:
        return CheckoutRequest(idempotency_key=key, token_data=data, amount_minor=1240, currency="840")

    assert (await merchant.Checkout(order(f"once-{found['cardNumber'][-6:]}"))).approved
    again = await merchant.Checkout(order(f"twice-{found['cardNumber'][-6:]}"))
    assert (again.approved, again.response_code) == (False, "65")


async def test_details_that_paid_for_one_order_pay_for_no_other(person: Person) -> None:
    details = (await Payee(person).paid(CARD.last_four))["encryptedDetails"]
    first = await ordered(person, details, "order-a")
    assert first.approved
    assert await ordered(person, details, "order-a") == first
    with pytest.raises(KeyReused):
        await ordered(person, details, "order-b")


@pytest.mark.parametrize(
    ("changed", "member"),
    [
        ({"payment_request_id": "request-2"}, "paymentRequestId"),
        ({"origin": "http://localhost:1"}, "topOrigin"),
        ({"amount_minor": 1241}, "total"),
        ({"currency": "978"}, "total"),
        ({"usage": TOKEN_USAGE_RECURRING}, "trid"),
    ],
)
async def test_details_of_another_request_are_refused_by_name(
    person: Person, changed: dict[str, Any], member: str
) -> None:
    details = (await Payee(person, BOUND).paid(CARD.last_four))["encryptedDetails"]
    right = {"payment_request_id": "request-1", "origin": person.shop}
    with pytest.raises(InvalidField) as refused:
        await ordered(person, details, f"other-{details[-8:]}", **(right | changed))
    assert member in refused.value.field
    assert (await ordered(person, details, f"right-{details[-8:]}", **right)).approved


async def test_details_expire(person: Person) -> None:
    details = (await Payee(person, BOUND).paid(CARD.last_four))["encryptedDetails"]
    person.network.advance(timedelta(minutes=7))
    with pytest.raises(InvalidField, match="exp"):
        await ordered(person, details, "late", payment_request_id="request-1", origin=person.shop)


async def test_the_last_drafts_members_come_where_they_are_asked_for(person: Person) -> None:
    details = await Payee(person, {"draft": "2018-10"}).paid(CARD.last_four)
    assert {"par", "tokenReferenceID", "eci"} <= set(details)
    assert "eci" not in set(opened(person.network, details["encryptedDetails"]))


async def test_a_cancelled_payment_goes_back_to_the_shop_and_charges_nothing(person: Person) -> None:
    window = await open_wallet(person)
    await press(window, "#cancel")
    await person.page.locator("#trouble").wait_for(state="visible")
    assert "Nothing was charged" in await person.page.locator("#trouble").inner_text()
    again = await open_wallet(person)
    await confirm(again, CARD.last_four)
    assert (await receipt(person)).state == "approved"


async def test_a_card_without_funds_is_refused_by_its_issuer(person: Person) -> None:
    refused = await pay_by_wallet(person, "tea", test_card("insufficient-funds").last_four)
    assert (refused.state, refused.response_code, refused.steps) == ("refused", "51", NINE)


async def test_two_implementations_of_jose_open_what_the_browser_made(person: Person, tmp_path: Path) -> None:
    details = (await Payee(person, BOUND).paid(CARD.last_four))["encryptedDetails"]
    first = opened(person.network, details)
    assert await opened_by_jose(details, payment_key(person.network)) == first
    assert first["total"] == {"currency": "USD", "value": "12.40"} and first["topOrigin"] == person.shop


async def test_a_card_on_file_serves_payments_that_the_shop_begins_too(person: Person) -> None:
    details = (await Payee(person, {"usageType": "card-on-file"}).paid(CARD.last_four))["encryptedDetails"]
    kept = await ordered(person, details, "kept", usage=TOKEN_USAGE_CARD_ON_FILE, save_for_customer_id="customer-1")
    assert kept.approved and kept.card_on_file_id
    merchant = person.network.stub(MerchantStub, "merchant")

    def later(key: str, original_rrn: str = "") -> CheckoutRequest:
        return CheckoutRequest(
            idempotency_key=key,
            card_on_file_id=kept.card_on_file_id,
            amount_minor=500,
            currency="840",
            original_rrn=original_rrn,
        )

    assert (await merchant.Checkout(later("by-the-payer"))).approved
    assert (await merchant.Checkout(later("by-the-payee", kept.rrn))).approved
    assert not (await merchant.Checkout(later("by-nobody", "000000000000"))).approved


async def test_a_recurring_token_pays_for_its_agreement_alone(person: Person) -> None:
    details = (await Payee(person, {"usageType": "recurring"}).paid(CARD.last_four))["encryptedDetails"]
    kept = await ordered(person, details, "agreed", usage=TOKEN_USAGE_RECURRING, save_for_customer_id="customer-1")
    assert kept.approved
    merchant = person.network.stub(MerchantStub, "merchant")
    wish = {"card_on_file_id": kept.card_on_file_id, "amount_minor": 1240, "currency": "840"}
    month = CheckoutRequest(idempotency_key="next-month", original_rrn=kept.rrn, **wish)
    assert (await merchant.Checkout(month)).approved
    with pytest.raises(InvalidField, match="agreement"):
        await merchant.Checkout(CheckoutRequest(idempotency_key="something-else", **wish))


async def test_what_is_not_of_the_profile_is_refused(person: Person) -> None:
    for wrong in ("a.b.c.d.e", "eyJhbGciOiJSU0ExXzUifQ....", "no-jwe"):
        with pytest.raises(Fault):
            await ordered(person, wrong, "wrong")
