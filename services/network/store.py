"""What the network must not forget: reversals that no issuer has acknowledged yet. Of payments it keeps nothing else.

But for those that came more than once: of them, the answer that was given. For two instances may have had the same
payment, and what one of them approved, the other must not have reversed.
"""

from cardnet.journal import LIBRARY, Journal
from cardnet.store import Store
from cardnet.v1.network_pb2 import RouteAuthorisationResponse, RouteReversalRequest
from cardnet.v1.payment_pb2 import TransactionKey

LIBRARIES = (LIBRARY,)


class ReversalBook:
    """The reversals that are still to be sent, in the token's terms: no PAN waits here.

    Every coroutine raises Unavailable if nothing can be kept: then nobody may rely on it.
    """

    def __init__(self, store: Store) -> None:
        self.journal = Journal(store, "network")

    async def note(self, reversal: RouteReversalRequest) -> RouteAuthorisationResponse | None:
        """Keep a reversal until it is acknowledged; unless the payment was approved when it came again: that answer."""
        kept = await self.journal.give_up(_name(reversal.transaction), 0, reversal.SerializeToString())
        return None if kept is None else RouteAuthorisationResponse.FromString(kept)

    async def approve(self, answer: RouteAuthorisationResponse) -> RouteAuthorisationResponse | None:
        """Keep the approval of a payment that came more than once. The one that is kept, or None if it is reversed."""
        kept = await self.journal.keep(_name(answer.transaction), answer.SerializeToString())
        return None if kept is None else RouteAuthorisationResponse.FromString(kept)


def _name(key: TransactionKey) -> str:
    return f"{key.acquirer_id}:{key.stan}:{key.transmission_time}:{key.rrn}"
