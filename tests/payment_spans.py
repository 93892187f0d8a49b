"""Spans of payments, for tests that have none to pay with: made by a Recorder, as services make them."""

from collections.abc import Sequence

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from cardnet.call import TraceContext
from cardnet.recorder import Recorder
from cardnet.span import TEXT, Ended, Form
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest, SubmitPaymentResponse
from cardnet.v1.merchant_pb2 import CheckoutRequest, CheckoutResponse
from cardnet.v1.payment_pb2 import TokenData

CHECKOUT, SUBMIT = "/cardnet.v1.Merchant/Checkout", "/cardnet.v1.Acquirer/SubmitPayment"
START_NS, END_NS = 1_768_467_600_000_000_000, 1_768_467_600_004_000_000


class Gathered:
    """A sink that keeps what comes."""

    def __init__(self, form: Form = TEXT) -> None:
        self.form = form
        self.data: list[bytes] = []

    async def export(self, spans: bytes) -> None:
        self.data.append(spans)


def number(trace: int) -> str:
    """The identifier of a trace of these tests."""
    return f"{trace:032x}"


def checkout(trace: int, *, code: str = "00") -> Ended:
    """The merchant's record of a checkout."""
    context = TraceContext(number(trace), "00000000000000a1")
    asked = CheckoutRequest(idempotency_key="k" * 16, card_on_file_id="card", amount_minor=1240, currency="840")
    answered = CheckoutResponse(approved=code == "00", response_code=code, trace_id=number(trace))
    return Ended(CHECKOUT, True, context, "", START_NS, END_NS, asked, answered, "")


def submission(trace: int, *, server: bool, fault: str = "", span: str = "00000000000000b1") -> Ended:
    """One end of SubmitPayment. span: its identifier; the server's hangs on the client's usual one."""
    context = TraceContext(number(trace), "00000000000000b2" if server and span[-1] == "1" else span)
    parent = "00000000000000b1" if server else "00000000000000a1"
    token = TokenData(payment_token="9999000000000483", token_expiry="3011")
    asked = SubmitPaymentRequest(token_data=token, amount_minor=1240, currency="840")
    answer = None if fault else SubmitPaymentResponse(response_code="00", payment_token="9999000000000483")
    return Ended(SUBMIT, server, context, parent, START_NS, END_NS, asked, answer, fault)


async def sent(service: str, ended: Sequence[Ended], form: Form = TEXT) -> TracesData:
    """What a service sends of these calls."""
    gathered = Gathered(form)
    recorder = Recorder(service, [gathered])
    for one in ended:
        recorder.record(one)
    await recorder.flush()
    return TracesData.FromString(b"".join(gathered.data))


async def paid(trace: int, *, code: str = "00") -> TracesData:
    """A payment of which the merchant alone has sent its record."""
    return await sent("merchant", [checkout(trace, code=code)])
