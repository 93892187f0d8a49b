"""What is done with tokens: their cryptograms' counters, their payments, and the history of these.

tsp:{reference}:cryptograms  last -> the last counter; each unused counter -> when it was issued, and its limit;
                             limit:<used counter> -> its limit
tsp:{reference}:history      each transaction that was admitted (services/tsp/history.py); marks of reversals
tsp:{reference}:use          failures -> cryptograms that failed in a row; used -> the use of a one-time token
"""

from enum import Enum
from typing import NamedTuple

from cardnet.store import Store
from services.tsp import history
from services.tsp.history import Past
from services.tsp.keys import KeySet
from services.tsp.sealing import Entry
from services.tsp.using import while_using_keys


class Admission(Enum):
    """What the vault says to a use that passed all checks."""

    ADMITTED = b"admitted"
    REPEATED = b"repeated"
    """It was admitted before: what it was made with then counts, whatever became of the card since."""
    CHANGED = b"changed"
    """The token is not as it was when it was checked: check again."""
    REVERSED = b"reversed"
    REUSED = b"reused"
    """The transaction's name came before with another body."""
    ORIGINAL_UNKNOWN = b"original"
    EXHAUSTED = b"exhausted"
    REPLAYED = b"replayed"
    EXPIRED = b"expired"


class Admittance(NamedTuple):
    """A use of a token that passed all checks and asks to be admitted."""

    transaction: str
    """Its name."""
    message: bytes
    """Its body, of which a repeat must have the same."""
    atc: int | None
    """Of its cryptogram, if there is one."""
    oldest_ms: int
    """The issue time from which on a cryptogram is young enough."""
    original: str = ""
    """The mark of the cardholder's payment that it must go back to, if it is the merchant's."""
    mark: str = ""
    """The mark by which payments of the merchant's may go back to this one."""
    once: bool = False
    """Whether the token is good for one use."""


class Uses:
    """Keeps what is done with tokens. Raises Unavailable when the store does not answer."""

    def __init__(self, store: Store, keys: KeySet) -> None:
        self._store = store
        self._keys = keys

    async def issue_atc(self, entry: Entry, now_ms: int, limit_minor: int | None = None) -> int | None:
        """The counter of a token's next cryptogram, noted as unused; None when a token has had all it can have.

        limit_minor: the amount that a cryptogram for "at most" is bound to. The last 64 are remembered: an older one
        that is still unused falls away.
        """
        args = [now_ms, "" if limit_minor is None else limit_minor]
        return int(await self._store.call("tsp_issue_atc", [_key(entry, "cryptograms")], args)) or None

    async def limit_of(self, entry: Entry, atc: int) -> int | None:
        """The amount that a cryptogram for "at most" is bound to, used or not; None where there is none."""
        key = _key(entry, "cryptograms")
        issued, kept = await self._store.command("HMGET", key, str(atc), f"limit:{atc}")
        limit = kept or (issued or b"").partition(b":")[2]
        return int(limit) if limit else None

    @while_using_keys
    async def admit(self, entry: Entry, use: Admittance) -> Admission:
        """Let a use pass that was checked against `entry`, in one step with marking its cryptogram used."""
        assert entry.pan is not None and entry.pan_expiry is not None  # a deleted token passes no check
        past = Past(entry.token, entry.pan, entry.pan_expiry)
        fingerprints = self._keys.fingerprints(use.message)
        written = history.written(self._keys, entry.reference, use.transaction, fingerprints[0], use.atc, past)
        keys = [_key(entry, part) for part in ("record", "history", "cryptograms", "use")]
        args: list[str | bytes] = [str(entry.version), use.transaction, written]
        args += [",".join(fingerprints), "" if use.atc is None else str(use.atc)]
        args += [str(use.oldest_ms), use.original, use.mark, "1" if use.once else ""]
        return Admission(await self._store.call("tsp_admit", keys, args))

    async def count_failure(self, entry: Entry, most: int) -> bool:
        """Count a cryptogram that failed. Whether that was the last one that may, of `most` in a row."""
        return bool(await self._store.call("tsp_count_failure", [_key(entry, "use")], [most]))

    @while_using_keys
    async def recall(self, reference: str, transaction: str) -> Past | None:
        """What a transaction that is being reversed was made with. None if it was not admitted, nor ever will be."""
        entry: bytes | None = await self._store.call("tsp_recall", [f"tsp:{{{reference}}}:history"], [transaction])
        return history.read(self._keys, reference, transaction, entry) if entry else None

    @while_using_keys
    async def past(self, reference: str, transaction: str) -> Past | None:
        """What a transaction was made with; None if this token never had it."""
        entry: bytes | None = await self._store.command("HGET", f"tsp:{{{reference}}}:history", transaction)
        return history.read(self._keys, reference, transaction, entry) if entry else None


def _key(entry: Entry, part: str) -> str:
    return f"tsp:{{{entry.reference}}}:{part}"
