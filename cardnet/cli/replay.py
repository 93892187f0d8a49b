"""One cryptogram used twice, by somebody who holds the shop's identity."""

from cardnet.cardholder import Cardholder
from cardnet.money import Money
from cardnet.response_code import ResponseCode
from cardnet.test_cards import test_card
from cardnet.testing import Network, Payment
from cardnet.v1.merchant_pb2 import CheckoutRequest, CheckoutResponse
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.payment_pb2 import MerchantData, TokenData
from cardnet.v1.token_service_pb2 import RequestCryptogramRequest, RequestTokenRequest
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub


async def replayed(network: Network, paid: Payment, amount: str) -> ResponseCode:
    """Get a token and one cryptogram, pay with them, pay again under another key: the answer to the second payment.

    paid: a payment of the same shop; its trace tells the shop's identifiers.
    """
    money, shop = Money.parse(amount), dict(paid.trace.steps[0].fields)
    merchant = MerchantData(**{name: shop[name] for name in MerchantData.DESCRIPTOR.fields_by_name})
    token_data = await _token_data(network, shop["token_requestor_id"], merchant, money)
    answers = []
    for key in ("first-use", "second-use"):
        request = CheckoutRequest(
            idempotency_key=key,
            amount_minor=money.minor,
            currency=money.currency.number,
            token_data=token_data,
        )
        answer: CheckoutResponse = await network.stub(MerchantStub, "merchant").Checkout(request)
        answers.append(ResponseCode(answer.response_code))
    first, second = answers
    return second if first.approved else first


async def _token_data(network: Network, requestor: str, merchant: MerchantData, money: Money) -> TokenData:
    card = test_card("approved")
    cardholder = Cardholder(network.channel("merchant"), network.channel("tsp"))
    tsp = network.stub(TokenServiceStub, "tsp", as_="merchant")
    issued = await tsp.RequestToken(
        RequestTokenRequest(
            token_requestor_id=requestor, encrypted_card=await cardholder.encrypted(card.pan, card.expiry)
        )
    )
    token = {
        "payment_token": issued.payment_token,
        "token_expiry": issued.token_expiry,
        "token_requestor_id": requestor,
    }
    made = await tsp.RequestCryptogram(
        RequestCryptogramRequest(**token, merchant=merchant, amount_minor=money.minor, currency=money.currency.number)
    )
    return TokenData(**token, cryptogram=made.cryptogram)
