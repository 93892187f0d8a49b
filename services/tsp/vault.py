"""The vault in Redis: which card a token stands for, what the token may do, and what was done with it.

    tsp:{token}:record             version, state, key id, facts, sealed (services/tsp/sealing.py)
    tsp:{token}:cryptograms        last -> the last counter; each unused counter -> when it was issued
    tsp:{token}:transaction:<key>  fingerprint and ATC of a transaction that was admitted; reversed
    tsp:{pan}:<TRID>               the token of this card and requestor
    tsp:{pan}:par                  the card's Payment Account Reference

{token} and {pan} are keyed HMACs: without the keys, the store does not even list tokens.
"""

from dataclasses import replace
from enum import Enum
from importlib import resources

from cardnet.card import Expiry, Pan, PaymentToken
from cardnet.env import Rng
from cardnet.errors import Unavailable
from cardnet.store import Store
from services.tsp.domain import TokenRecord, TokenState, may_become, token_number
from services.tsp.keys import KeySet
from services.tsp.sealing import Entry, Row, seal, unseal

LIBRARY = resources.files("services.tsp").joinpath("vault.lua").read_text()

ATTEMPTS = 8
"""How often a step is tried again when somebody else was faster, or a drawn token is taken."""


class Admission(Enum):
    """What the vault says to a use that passed all checks."""

    ADMITTED = b"admitted"
    CHANGED = b"changed"
    """The token is not as it was when it was checked: check again."""
    REVERSED = b"reversed"
    REUSED = b"reused"
    """The transaction's name came before with another body."""
    REPLAYED = b"replayed"
    EXPIRED = b"expired"


class RedisVault:
    """Keeps the tokens. Every method raises Unavailable when the store does not answer."""

    def __init__(self, store: Store, keys: KeySet, rng: Rng) -> None:
        self._store = store
        self._keys = keys
        self._rng = rng

    async def find(self, token: PaymentToken) -> Entry | None:
        """A token, or None if it was never issued."""
        entry = await self._read(self._keys.name_of_token(token))
        return entry if entry and entry.record.state is not TokenState.PENDING else None

    async def par_of(self, pan: Pan) -> str:
        """The card's Payment Account Reference, drawn when it is first asked for."""
        drawn = f"SIMX{self._rng.letters(25)}"
        return await self._claim(f"tsp:{{{self._keys.name_of_pan(pan)}}}:par", "", drawn)

    async def issue(self, pan: Pan, pan_expiry: Expiry, record: TokenRecord) -> Entry:
        """The token of this card and requestor: the one that there is, else a new one with this record.

        A new one is reserved as PENDING, then entered in the card's index, and only then comes into its state. Whoever
        stops in between leaves nothing usable, and whoever comes next finishes it or begins anew.
        """
        index = f"tsp:{{{self._keys.name_of_pan(pan)}}}:{record.token_requestor_id}"
        name = (await self._store.command("GET", index) or b"").decode()
        for _ in range(ATTEMPTS):
            entry = await self._read(name) if name else None
            if entry and entry.record.usable_from(record.issued_on):
                return await self._settle(entry, pan_expiry, record.state)
            fresh = await self._reserve(pan, pan_expiry, record)
            winner = await self._claim(index, name, fresh.name)
            if winner != fresh.name:
                await self._store.call("tsp_withdraw_record", [_record(fresh.name)], [])
            name = winner
        raise contended()

    async def change_state(self, token: PaymentToken, state: TokenState) -> TokenState | None:
        """Put a token into a state, if the domain allows. Answers the state in which it is then; None if unknown."""
        for _ in range(ATTEMPTS):
            entry = await self.find(token)
            if entry is None:
                return None
            if not may_become(entry.record.state, state):
                return entry.record.state
            if await self._write(entry.changed(state, entry.pan_expiry), after=entry.version):
                return state
        raise contended()

    async def issue_atc(self, entry: Entry, now_ms: int) -> int | None:
        """The counter of a token's next cryptogram, noted as unused; None when a token has had all it can have.

        The last 64 are remembered: an older one that is still unused falls away.
        """
        return int(await self._store.call("tsp_issue_atc", [_cryptograms(entry.name)], [now_ms])) or None

    async def admit(self, entry: Entry, transaction: str, message: bytes, atc: int | None, oldest_ms: int) -> Admission:
        """Let a use pass that was checked against `entry`, in one step with marking its cryptogram used.

        transaction: its name. message: its body, of which a repeat must have the same. atc: of its cryptogram, if there
        is one. oldest_ms: the issue time from which on a cryptogram is young enough.
        """
        keys = [_record(entry.name), _transaction(entry.name, transaction), _cryptograms(entry.name)]
        fingerprint = self._keys.fingerprint(message)
        args = [str(entry.version), fingerprint, "" if atc is None else str(atc), str(oldest_ms)]
        return Admission(await self._store.call("tsp_admit", keys, args))

    async def recall(self, token: PaymentToken, transaction: str) -> Entry | None:
        """The token of a transaction that was admitted, whatever its state is now. None if it was not, nor will be."""
        name = self._keys.name_of_token(token)
        if await self._store.call("tsp_recall", [_transaction(name, transaction)], []):
            return await self._read(name)
        return None

    async def _settle(self, entry: Entry, pan_expiry: Expiry, state: TokenState) -> Entry:
        """Bring a token that is told to its requestor into a state, if it has none, and up to date with its card."""
        for _ in range(ATTEMPTS):
            known = entry.record.state
            settled = entry.changed(state if known is TokenState.PENDING else known, pan_expiry)
            if settled._replace(version=entry.version) == entry:
                return entry
            if await self._write(settled, after=entry.version):
                return settled
            entry = await self._read(entry.name) or entry
        raise contended()

    async def _reserve(self, pan: Pan, pan_expiry: Expiry, record: TokenRecord) -> Entry:
        """A new token that nobody has, reserved."""
        for _ in range(ATTEMPTS):
            token = token_number(pan.range, self._rng.digits(19))
            name = self._keys.name_of_token(token)
            entry = Entry(name, 1, replace(record, state=TokenState.PENDING), token, pan, pan_expiry)
            if await self._write(entry, after=None):
                return entry
        raise Unavailable("TOKEN_RANGE_FULL", "no free token was found in the card's token range; ask again")

    async def _read(self, name: str) -> Entry | None:
        values = await self._store.command("HMGET", _record(name), *Row._fields)
        return None if values[0] is None else unseal(self._keys, name, Row(*(value or b"" for value in values)))

    async def _write(self, entry: Entry, after: int | None) -> bool:
        """Write an entry in the place of the version `after`, or of none. False if another one stands there now."""
        expected = "" if after is None else after
        row = seal(self._keys, entry)
        return bool(await self._store.call("tsp_write_record", [_record(entry.name)], [expected, *row]))

    async def _claim(self, key: str, held: str, value: str) -> str:
        winner: bytes = await self._store.call("tsp_claim", [key], [held, value])
        return winner.decode()


def _record(name: str) -> str:
    return f"tsp:{{{name}}}:record"


def _cryptograms(name: str) -> str:
    return f"tsp:{{{name}}}:cryptograms"


def _transaction(name: str, transaction: str) -> str:
    return f"tsp:{{{name}}}:transaction:{transaction}"


def contended() -> Unavailable:
    """What to raise when a step did not succeed in so many attempts."""
    return Unavailable("VAULT_CONTENDED", "the token is being changed by others at this moment; ask again")
