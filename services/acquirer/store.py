"""How a payment stands in the acquirer's journal: under which name, and with what for its reversal.

STAN and RRN come from the number that the journal gives, so what is written before there is one lacks both: a draft.
"""

from datetime import datetime

from cardnet import journal
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest
from cardnet.v1.network_pb2 import RouteReversalRequest
from cardnet.v1.payment_pb2 import TransactionKey
from services.acquirer.domain import rrn_prefix, stan, transmission_time

LIBRARIES = (journal.LIBRARY,)
"""The Lua functions of this store: the journal's alone."""


def payment_id(caller: str, merchant_id: str, payment_reference: str) -> str:
    """A payment's name. The caller is part of it: nobody uses a reference up, or sees an answer, in another's name."""
    return f"{caller}:{merchant_id}:{payment_reference}"


def reversal_draft(request: SubmitPaymentRequest, acquirer_id: str, now: datetime) -> RouteReversalRequest:
    """What will take a payment back, less STAN and the RRN's end. No cryptogram waits here."""
    return RouteReversalRequest(
        transaction=TransactionKey(
            acquirer_id=acquirer_id, transmission_time=transmission_time(now), rrn=rrn_prefix(now)
        ),
        payment_token=request.token_data.payment_token,
        amount_minor=request.amount_minor,
        currency=request.currency,
    )


def completed(draft: RouteReversalRequest, number: int) -> RouteReversalRequest:
    """The reversal itself; its transaction is the payment's own. number: the journal's."""
    reversal = RouteReversalRequest()
    reversal.CopyFrom(draft)
    reversal.transaction.stan = stan(number)
    reversal.transaction.rrn += stan(number)
    return reversal
