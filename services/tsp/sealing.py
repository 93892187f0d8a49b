"""A token's record as the store keeps it: token and card encrypted, and everything else bound to them.

AES-256-GCM with all that stands beside the ciphertext as associated data. So whoever can write to the store can neither
swap cards, nor change a state, nor widen a domain. Each record has a salt in its key: with the salt gone, every copy
of the ciphertext that ever was is shut. That a whole record of former times was put back, the audit log tells.
"""

import json
import os
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from cardnet.card import Expiry, Pan, PaymentToken
from cardnet.errors import Unavailable
from cardnet.response_code import ResponseCode
from services.tsp.domain import Domain, EntryMode, Location, Party, TokenRecord, TokenState, Usage
from services.tsp.keys import KeySet

SCHEMA = b"cardnet.vault.v2"
_SALT = 32
_NONE = " " * 20


class Entry(NamedTuple):
    """A token in the vault: its record and, opened, what is sealed. Print it freely: numbers hide their digits."""

    reference: str
    """The Token Reference ID: what the store calls the token, and what its parties call it."""
    version: int
    """Goes up by one with every change."""
    record: TokenRecord
    token: PaymentToken
    pan: Pan | None
    """None once the token is deleted: the card was erased."""
    pan_expiry: Expiry | None
    salt: bytes = b""
    """Empty for a token that is not in the store yet."""

    def with_record(self, **facts: Any) -> "Entry":
        """The next version of the same token, with other facts in its record."""
        return self._replace(version=self.version + 1, record=self.record.changed(**facts))

    def for_card(self, pan: Pan, pan_expiry: Expiry) -> "Entry":
        """The next version of the same token, standing for another card or for the same one with another expiry."""
        changed = self.with_record(pan_last_four=pan.last_four, pan_product_id=pan.range.product_id)
        return changed._replace(pan=pan, pan_expiry=pan_expiry)

    def after(self, outcome: TokenRecord | ResponseCode) -> "Entry | ResponseCode":
        """The same token after something was done to its record (services/tsp/life.py).

        Where that deleted it, it has no card any more and another salt: what was sealed before stays shut for good.
        """
        if isinstance(outcome, ResponseCode):
            return outcome
        if outcome == self.record:
            return self
        after = self._replace(version=self.version + 1, record=outcome)
        gone = outcome.state is TokenState.DELETED
        return after._replace(pan=None, pan_expiry=None, salt=b"") if gone else after


class Row(NamedTuple):
    """A record's fields in the store, in the order in which the store is asked for them."""

    version: bytes
    state: bytes
    key: bytes
    """The number of the data key."""
    facts: bytes
    sealed: bytes
    salt: bytes


def seal(keys: KeySet, entry: Entry) -> Row:
    """An entry as the store may see it."""
    # Of one length whatever the PAN's: 13 digits and 19 look alike, and so does a card that was erased.
    pan = f"{entry.pan.reveal():<20}{entry.pan_expiry}" if entry.pan else f"{_NONE}    "
    version, state = str(entry.version).encode(), entry.record.state.name.encode()
    facts, salt = _facts(entry.record), entry.salt or os.urandom(_SALT)
    beside = _beside(entry.reference, version, state, facts)
    number, sealed = keys.seal(f"{entry.token.reveal():<20}{pan}".encode(), beside, salt)
    return Row(version, state, str(number).encode(), facts, sealed, salt)


def unseal(keys: KeySet, reference: str, row: Row) -> Entry:
    """The entry in a row. Unavailable unless every byte of it is as this vault wrote it, under this reference."""
    try:
        number, state = int(row.key), TokenState[row.state.decode()]
        beside = _beside(reference, row.version, row.state, row.facts)
        card = keys.unseal(number, row.sealed, beside, row.salt).decode()
        version = int(row.version)
    except (KeyError, ValueError):
        raise damaged() from None
    pan = card[20:40].rstrip()
    return Entry(
        reference=reference,
        version=version,
        record=_record(state, row.facts),
        token=PaymentToken(card[:20].rstrip()),
        pan=Pan(pan) if pan else None,
        pan_expiry=Expiry.parse(card[40:]) if pan else None,
        salt=row.salt,
    )


def damaged() -> Unavailable:
    """What to raise where the store does not hold what the vault wrote."""
    return Unavailable(
        "VAULT_RECORD_DAMAGED", "a record in the vault is not as the vault wrote it: nothing is told of its token"
    )


def _beside(reference: str, version: bytes, state: bytes, facts: bytes) -> bytes:
    """What stands beside the ciphertext, each part with its length before it: nothing can move from one to the next."""
    parts = (SCHEMA, reference.encode(), version, state, facts)
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _facts(record: TokenRecord) -> bytes:
    domain = record.domain
    facts = {
        "suspended_by": sorted(record.suspended_by),
        "trid": record.token_requestor_id,
        "merchant_ids": sorted(domain.merchant_ids),
        "merchant_domain": domain.merchant_domain,
        "entry_modes": sorted(domain.entry_modes),
        "cryptogram_required": domain.cryptogram_required,
        "usage": domain.usage,
        "location": record.location,
        "token_expiry": str(record.token_expiry),
        "assurance_level": record.assurance_level,
        "assurance_data": record.assurance_data,
        "par": record.par,
        "pan_product_id": record.pan_product_id,
        "pan_last_four": record.pan_last_four,
        "issued_on": record.issued_on.isoformat(),
    }
    return json.dumps(facts, separators=(",", ":")).encode()


@lru_cache(maxsize=4096)  # half of the cost of opening an entry; no number is in here
def _record(state: TokenState, facts: bytes) -> TokenRecord:
    known = json.loads(facts)
    return TokenRecord(
        state=state,
        suspended_by=frozenset(map(Party, known["suspended_by"])),
        token_requestor_id=known["trid"],
        domain=Domain(
            merchant_ids=frozenset(known["merchant_ids"]),
            merchant_domain=known["merchant_domain"],
            entry_modes=frozenset(map(EntryMode, known["entry_modes"])),
            cryptogram_required=known["cryptogram_required"],
            usage=Usage(known["usage"]),
        ),
        location=Location(known["location"]),
        token_expiry=Expiry.parse(known["token_expiry"]),
        assurance_level=known["assurance_level"],
        assurance_data=known["assurance_data"],
        par=known["par"],
        pan_product_id=known["pan_product_id"],
        pan_last_four=known["pan_last_four"],
        issued_on=date.fromisoformat(known["issued_on"]),
    )
