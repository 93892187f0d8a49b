"""On what a caller may act: a requestor on its own tokens, an issuer on its cards and theirs, the operator on all."""

from typing import NamedTuple

from cardnet.card import Pan, token_range
from cardnet.identity import ISSUER, MERCHANT, OPERATOR, role_of
from services.tsp.domain import Party
from services.tsp.requestors import Requestors
from services.tsp.sealing import Entry

_PARTIES = {MERCHANT: Party.REQUESTOR, ISSUER: Party.ISSUER, OPERATOR: Party.TSP}


class Authority(NamedTuple):
    """What a caller may act on."""

    party: Party
    identity: str
    token_requestor_ids: frozenset[str]
    """Those registered to the caller."""

    def covers(self, entry: Entry) -> bool:
        """Whether a token is the caller's to act on."""
        if self.party is Party.ISSUER:
            # By the token's range and not the card's: a deleted token has no card any more.
            range_ = token_range(entry.token.reveal())
            return range_ is not None and range_.issuer_identity == self.identity
        return self.party is Party.TSP or entry.record.token_requestor_id in self.token_requestor_ids


async def authority_of(caller: str, requestors: Requestors) -> Authority:
    """What a caller may act on who was let in to change tokens. Unavailable when the store does not answer."""
    party = party_of(caller)
    own = await requestors.registered_to(caller) if party is Party.REQUESTOR else frozenset[str]()
    return Authority(party, caller, own)


def party_of(caller: str) -> Party:
    """As whom a caller acts who was let in to change tokens."""
    return _PARTIES[role_of(caller)]


def may_speak_of(caller: str, pan: Pan) -> bool:
    """Whether a card is one of which a caller may speak who was let in to: an issuer may of its own alone."""
    return role_of(caller) != ISSUER or pan.range.issuer_identity == caller
