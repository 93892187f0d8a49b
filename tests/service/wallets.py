"""What a wallet gives the shop of tests/service/houses.py, and what its page makes of it."""

from dataclasses import replace
from typing import Any

from browser_neighbours import PAGE
from houses import MerchantHouse, order
from neighbours import CRYPTOGRAM, TOKEN

from cardnet.card import Expiry, PaymentToken
from cardnet.money import Money
from cardnet.payment_request import Claims
from cardnet.tokenized_card import TokenizedCard as Details
from cardnet.tokenized_card import encrypt
from cardnet.v1.merchant_pb2 import CheckoutRequest, TokenizedCard
from cardnet.v1.token_pb2 import TokenUsage

ONCE, KEPT, AGREED = (
    TokenUsage.TOKEN_USAGE_ONE_TIME,
    TokenUsage.TOKEN_USAGE_CARD_ON_FILE,
    TokenUsage.TOKEN_USAGE_RECURRING,
)
REQUESTORS = {ONCE: "00000000004", KEPT: "00000000005", AGREED: "00000000005"}
DETAILS = Details(
    token=PaymentToken(TOKEN),
    token_expiry=Expiry(2029, 11),
    cryptogram=CRYPTOGRAM,
    token_requestor_id=REQUESTORS[ONCE],
    eci="05",
)


async def bound(house: MerchantHouse, details: Details = DETAILS, **changes: Any) -> Details:
    """The details, bound to the payment request of `order`, but for what is changed."""
    now = int(house.clock.now().timestamp())
    claims = Claims("request-1", PAGE, Money.parse("12.50 EUR"), now, now + 300, "details-1")
    return replace(details, claims=claims._replace(**changes))


async def from_wallet(
    house: MerchantHouse, details: Details = DETAILS, usage: int = ONCE, **members: Any
) -> TokenizedCard:
    """What a page hands on; a member changed to None is left out."""
    jwk = (await house.payment_keys.key()).jwk
    written = {name: value for name, value in (details.members | members).items() if value is not None}
    request = {"payment_request_id": "request-1", "origin": PAGE} if details.claims else {}
    return TokenizedCard(encrypted_details=encrypt(written, jwk), usage=usage, **request)


async def kept_for(house: MerchantHouse, usage: int, key: str = "order-1") -> CheckoutRequest:
    """An order whose card is to be put on file."""
    house.tsp.requestor = REQUESTORS[usage]
    details = replace(DETAILS, token_requestor_id=REQUESTORS[usage])
    return order(key, tokenized_card=await from_wallet(house, details, usage), save_for_customer_id="alice")
