"""Who the merchant is says its certificate: a merchant_id in a message is a claim, and is held against it."""

import grpc
import pytest
import pytest_asyncio
from doorway import DETAILS
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from patience import patient

from cardnet.testing import LocalNetwork
from cardnet.v1.acquirer_pb2 import ReversePaymentRequest, SubmitPaymentRequest, SubmitPaymentResponse
from cardnet.v1.payment_pb2 import MerchantData, PosEntryMode, TokenData

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUBMIT, REVERSE = "/cardnet.v1.Acquirer/SubmitPayment", "/cardnet.v1.Acquirer/ReversePayment"
OWN, ANOTHERS, NOBODYS = "MERCHANT0000001", "MERCHANT0000002", "MERCHANT0000099"
SET_UP = {OWN: ("5732", "840", "840"), ANOTHERS: ("5942", "826", "826"), NOBODYS: ("5732", "840", "840")}
"""Category, country and currency, with which the acquirer knows its merchants."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network():
    async with LocalNetwork(in_process=True, fronts=True, settings=patient()) as network:
        yield network


def payment(merchant_id: str, reference: str) -> SubmitPaymentRequest:
    category, country, currency = SET_UP[merchant_id]
    cryptogram = "AAAAAAAAAAAAAAAAAAAAAAAAAAA="
    token = TokenData(
        payment_token="9999400000000014",
        token_expiry="2911",
        token_requestor_id="00000000001",
        cryptogram=cryptogram,
    )
    merchant = MerchantData(
        merchant_id=merchant_id,
        merchant_domain="shop.example",
        merchant_name="Example Shop",
        merchant_category_code=category,
        merchant_country=country,
    )
    return SubmitPaymentRequest(
        payment_reference=reference,
        token_data=token,
        merchant=merchant,
        amount_minor=1250,
        currency=currency,
        pos_entry_mode=PosEntryMode.POS_ENTRY_MODE_CREDENTIAL_ON_FILE,
    )


async def asked(network: LocalNetwork, caller: str, method: str, message) -> bytes | str:
    """The answer, or the reason why there is none."""
    async with network.grpc_channel("acquirer", caller) as channel:
        try:
            metadata = (("x-cardnet-caller", "merchant"),)  # a claim, which is believed in plain text alone
            return await channel.unary_unary(method)(message.SerializeToString(), timeout=25, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            info = ErrorInfo()
            for detail in Status.FromString(dict(tuple(error.trailing_metadata()))[DETAILS]).details:
                detail.Unpack(info)
            return info.reason


@pytest.mark.parametrize(("caller", "own"), [("merchant", OWN), ("other-merchant", ANOTHERS)])
@pytest.mark.parametrize("merchant_id", [OWN, ANOTHERS, NOBODYS])
async def test_the_acquirer_takes_payments_from_the_merchant_alone_whose_certificate_it_is(
    network, caller, own, merchant_id
):
    reference = f"{caller}-{merchant_id}"
    answer = SubmitPaymentResponse.FromString(await asked(network, caller, SUBMIT, payment(merchant_id, reference)))
    went_on = answer.HasField("transaction")  # to the network, which does not know the token
    assert (answer.response_code == "03", went_on) == (merchant_id != own, merchant_id == own)
    undo = ReversePaymentRequest(merchant_id=merchant_id, payment_reference=reference)
    undone = await asked(network, caller, REVERSE, undo)
    assert (undone == "MERCHANT_NOT_YOURS") == (merchant_id != own)


@pytest.mark.parametrize("caller", ["acquirer", "network", "tsp", "issuer", "other-issuer", "cardholder"])
async def test_who_is_no_merchant_pays_in_no_merchant_s_name(network, caller):
    assert await asked(network, caller, SUBMIT, payment(OWN, "order-1")) == "CALLER_NOT_PERMITTED"


async def test_two_merchants_may_use_one_reference_and_each_has_its_own_payment(network):
    data = [
        await asked(network, caller, SUBMIT, payment(merchant_id, "order-of-both"))
        for caller, merchant_id in (("merchant", OWN), ("other-merchant", ANOTHERS))
    ]
    answers = [SubmitPaymentResponse.FromString(one) for one in data]
    assert answers[0].transaction.rrn != answers[1].transaction.rrn
