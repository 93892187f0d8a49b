"""What the network must not forget: reversals that no issuer has acknowledged yet. Of payments it keeps nothing."""

from cardnet.journal import LIBRARY, Journal
from cardnet.store import Store
from cardnet.v1.network_pb2 import RouteReversalRequest

LIBRARIES = (LIBRARY,)


class ReversalBook:
    """The reversals that are still to be sent, in the token's terms: no PAN waits here."""

    def __init__(self, store: Store) -> None:
        self.journal = Journal(store, "network")

    async def note(self, reversal: RouteReversalRequest) -> None:
        """Keep a reversal until it is acknowledged. Unavailable if it cannot be kept: then nobody may rely on it."""
        key = reversal.transaction
        name = f"{key.acquirer_id}:{key.stan}:{key.transmission_time}:{key.rrn}"
        await self.journal.abandon(name, reversal.SerializeToString())
