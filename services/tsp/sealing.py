"""A token's record as the store keeps it: token and card encrypted, and everything else bound to them.

AES-256-GCM with all that stands beside the ciphertext as associated data. So whoever can write to the store can neither
swap cards, nor change a state, nor widen a domain. What goes unnoticed is a whole record of former times put back.
"""

import json
import os
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidTag

from cardnet.card import Expiry, Pan, PaymentToken
from cardnet.errors import Unavailable
from services.tsp.domain import Domain, EntryMode, TokenRecord, TokenState
from services.tsp.keys import KeySet

SCHEMA = "cardnet.vault.v1"
_NONCE = 12


class Entry(NamedTuple):
    """A token in the vault: its record and, opened, what is sealed. Print it freely: numbers hide their digits."""

    name: str
    """What the store calls the token."""
    version: int
    """Goes up by one with every change."""
    record: TokenRecord
    token: PaymentToken
    pan: Pan
    pan_expiry: Expiry

    def changed(self, state: TokenState, pan_expiry: Expiry) -> "Entry":
        """The next version of the same token."""
        record = replace(self.record, state=state)
        return self._replace(version=self.version + 1, record=record, pan_expiry=pan_expiry)


class Row(NamedTuple):
    """A record's fields in the store, in the order in which the store is asked for them."""

    version: bytes
    state: bytes
    key_id: bytes
    facts: bytes
    sealed: bytes


def seal(keys: KeySet, entry: Entry) -> Row:
    """An entry as the store may see it."""
    # Of one length whatever the PAN's: 13 digits and 19 look alike.
    card = f"{entry.token.reveal():<20}{entry.pan.reveal():<20}{entry.pan_expiry}".encode()
    row = Row(
        version=str(entry.version).encode(),
        state=entry.record.state.name.encode(),
        key_id=keys.id.encode(),
        facts=_facts(entry.record),
        sealed=b"",
    )
    nonce = os.urandom(_NONCE)
    return row._replace(sealed=nonce + keys.data.encrypt(nonce, card, _beside(entry.name, row)))


def unseal(keys: KeySet, name: str, row: Row) -> Entry:
    """The entry in a row. Unavailable unless every byte of it is as this vault wrote it, under this name."""
    try:
        card = keys.data.decrypt(row.sealed[:_NONCE], row.sealed[_NONCE:], _beside(name, row)).decode()
    except (InvalidTag, ValueError):
        raise Unavailable(
            "VAULT_RECORD_DAMAGED", "a record in the vault is not as the vault wrote it: nothing is told of its token"
        ) from None
    return Entry(
        name=name,
        version=int(row.version),
        record=_record(TokenState[row.state.decode()], row.facts),
        token=PaymentToken(card[:20].rstrip()),
        pan=Pan(card[20:40].rstrip()),
        pan_expiry=Expiry.parse(card[40:]),
    )


def _beside(name: str, row: Row) -> bytes:
    """All but the ciphertext, each part with its length before it, so that nothing can move from one to the next."""
    parts = (SCHEMA.encode(), name.encode(), row.key_id, row.version, row.state, row.facts)
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _facts(record: TokenRecord) -> bytes:
    domain = record.domain
    facts = {
        "trid": record.token_requestor_id,
        "merchant_ids": sorted(domain.merchant_ids),
        "merchant_domain": domain.merchant_domain,
        "entry_modes": sorted(domain.entry_modes),
        "cryptogram_required": domain.cryptogram_required,
        "token_expiry": str(record.token_expiry),
        "token_reference_id": record.token_reference_id,
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
        token_requestor_id=known["trid"],
        domain=Domain(
            merchant_ids=frozenset(known["merchant_ids"]),
            merchant_domain=known["merchant_domain"],
            entry_modes=frozenset(map(EntryMode, known["entry_modes"])),
            cryptogram_required=known["cryptogram_required"],
        ),
        token_expiry=Expiry.parse(known["token_expiry"]),
        token_reference_id=known["token_reference_id"],
        assurance_level=known["assurance_level"],
        assurance_data=known["assurance_data"],
        par=known["par"],
        pan_product_id=known["pan_product_id"],
        pan_last_four=known["pan_last_four"],
        issued_on=date.fromisoformat(known["issued_on"]),
    )
