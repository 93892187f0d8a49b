"""The vault in Redis: which card a token stands for, what the token may do, and what was done with it.

    tsp:{token}:index            the token's reference; never changes
    tsp:{reference}:record       version, state, key, facts, sealed, salt (services/tsp/sealing.py)
    tsp:{reference}:…            what is done with it (services/tsp/uses.py)
    tsp:{reference}:outbox       changes that the requestor has not been told of yet, by their version
    tsp:{outbox}:waiting         a mark for each change that may be in an outbox (services/tsp/outbox.py)

{token} is a keyed HMAC: without the keys, the store does not even list tokens. The reference is drawn.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import date
from importlib import resources

from cardnet.card import Expiry, Pan, PaymentToken
from cardnet.env import Env
from cardnet.errors import Unavailable
from cardnet.response_code import ResponseCode
from cardnet.store import Store
from cardnet.v1.token_lifecycle_pb2 import TokenNotification
from services.tsp.audit import AuditLog, Event
from services.tsp.cards import Cards
from services.tsp.domain import Cause, Party, TokenRecord, TokenState, Usage, token_number
from services.tsp.keys import KeySet
from services.tsp.outbox import WAITING, mark
from services.tsp.sealing import Entry, Row, damaged, seal, unseal
from services.tsp.shown import token_message
from services.tsp.using import while_using_keys

LIBRARY = resources.files("services.tsp").joinpath("vault.lua").read_text()

ATTEMPTS = 8
"""How often a step is tried again when somebody else was faster, or a drawn token is taken."""

_MOST_KNOWN = 65_536
"""So many tokens are found without asking the store for their reference, which never changes."""

_REFERENCE = re.compile(r"[0-9a-f]{32}")
_NOBODY = "0" * 32
"""Looked up where there is nothing to look up, so that all who ask in vain wait alike. Chance never draws it."""

Edit = Callable[[Entry], Entry | ResponseCode]
"""Makes the next version of a token, or says why there is none. The same entry back means: as it is already."""


class RedisVault:
    """Keeps the tokens. Raises Unavailable when the store does not answer, or holds what we did not write."""

    def __init__(self, store: Store, keys: KeySet, audit: AuditLog, cards: Cards, env: Env) -> None:
        self._store = store
        self._keys = keys
        self._audit = audit
        self._cards = cards
        self._env = env
        self._references: dict[str, str] = {}
        self._opening = keys.openings
        self.changed = asyncio.Event()
        """Set when a requestor is to be told of something."""

    @while_using_keys
    async def find(self, token: PaymentToken) -> Entry | None:
        """A token, or None if it was never issued."""
        reference = await self.reference_of(token)
        entry = await self.named(reference)
        if entry and entry.token != token:
            raise damaged()
        return entry

    @while_using_keys
    async def named(self, reference: str) -> Entry | None:
        """A token by its reference, or None if there is none that anybody was told of."""
        # What a caller writes comes into the name of a key only if it may be a reference; all else is looked for alike.
        entry = await self._read(reference if _REFERENCE.fullmatch(reference) else _NOBODY)
        return entry if entry and entry.record.state is not TokenState.PENDING else None

    @while_using_keys
    async def held(self, pan: Pan, token_requestor_id: str) -> Entry | None:
        """The token that a requestor has for a card, if it has one that can still be used."""
        reference = await self._cards.token_of(pan, token_requestor_id)
        entry = await self.named(reference) if reference else None
        today = self._env.clock.now().date()
        return entry if entry and await self._serves(entry, pan, token_requestor_id, today) else None

    async def free_reference(self) -> str:
        """A reference that no token has. With a seed, a network whose data are kept draws the same ones again."""
        for _ in range(ATTEMPTS):
            reference = self._env.rng.hex(16)
            if not await self._store.command("EXISTS", f"tsp:{{{reference}}}:record"):
                return reference
        raise contended()

    @while_using_keys
    async def issue(self, reference: str, pan: Pan, pan_expiry: Expiry, record: TokenRecord) -> Entry:
        """The token of this card and requestor: the one that there is, else a new one with this record and reference.

        A new one is reserved as PENDING, then entered for its card, and only then comes into its state. Whoever stops
        in between leaves nothing usable, and whoever comes next finishes it or begins anew.
        """
        held = await self._cards.token_of(pan, record.token_requestor_id)
        for _ in range(ATTEMPTS):
            entry = await self._read(held) if held else None
            if entry and await self._serves(entry, pan, record.token_requestor_id, record.issued_on):
                return await self._settle(entry, record.state, pan, pan_expiry)
            fresh = await self._reserve(reference, pan, pan_expiry, record)
            winner = await self._cards.claim(pan, record.token_requestor_id, held, fresh.reference)
            if winner != fresh.reference:
                await self._withdraw(fresh)
            held = winner
        raise contended()

    @while_using_keys
    async def change(self, reference: str, edit: Edit, party: Party, cause: Cause) -> Entry | ResponseCode | None:
        """Change a token, and note down that its requestor is to be told.

        Answers the token as it is then, why it was not changed, or None if it is not known. What is being paid at the
        moment passes before or after, never in between.
        """
        for _ in range(ATTEMPTS):
            entry = await self.named(reference)
            edited = edit(entry) if entry else None
            if entry is None or not isinstance(edited, Entry):
                return edited
            if edited == entry:
                return await self._remembered(entry)
            if await self._write(edited, after=entry.version, notice=self._notice(edited, party, cause)):
                self.changed.set()
                return await self._remembered(edited)
        raise contended()

    async def reference_of(self, token: PaymentToken) -> str:
        """A token's reference, whatever became of the token; empty if it was never issued."""
        if self._opening != self._keys.openings:
            self._references.clear()  # a backup may have been put back meanwhile
            self._opening = self._keys.openings
        for name in self._keys.names_of_token(token):
            reference = self._references.get(name)
            if reference is None:
                value: bytes | None = await self._store.command("GET", f"tsp:{{{name}}}:index")
                reference = (value or b"").decode(errors="replace")
                if value and not _REFERENCE.fullmatch(reference):
                    raise damaged()
            if reference:
                if len(self._references) >= _MOST_KNOWN:
                    self._references.clear()
                self._references[name] = reference
                return reference
        return ""

    async def _serves(self, entry: Entry, pan: Pan, token_requestor_id: str, today: date) -> bool:
        """Whether a token can still be used, and is this card's and requestor's: what names it there is not sealed."""
        record = entry.record
        if (entry.pan, record.token_requestor_id) != (pan, token_requestor_id) or not record.usable_from(today):
            return False
        spent = record.domain.usage is Usage.ONE_TIME and await self._store.command(
            "HEXISTS", _key(entry, "use"), "used"
        )
        return not spent

    async def _settle(self, entry: Entry, state: TokenState, pan: Pan, pan_expiry: Expiry) -> Entry:
        """Bring a token that is told to its requestor into a state, if it has none, and up to date with its card."""
        if entry.record.state is TokenState.PENDING:
            settled = entry.with_record(state=state)
            if await self._write(settled, after=entry.version):
                return settled
            return await self.named(entry.reference) or entry  # somebody who asked at the same time settled it
        if entry.pan_expiry == pan_expiry:
            return entry

        def renewed(known: Entry) -> Entry:
            return known.for_card(pan, pan_expiry) if known.pan == pan else known  # else it was replaced meanwhile

        changed = await self.change(entry.reference, renewed, Party.REQUESTOR, Cause.CARD_REPLACED)
        return changed if isinstance(changed, Entry) else entry

    async def _remembered(self, entry: Entry) -> Entry:
        """The entry, once the audit log knows of its version: also where somebody died between change and log."""
        if entry.version > max(1, self._audit.last_version(entry.reference)):
            event = Event.of("change", entry.reference, entry.version, entry.record.state.name)
            await self._audit.write(event)
        return entry

    async def _reserve(self, reference: str, pan: Pan, pan_expiry: Expiry, record: TokenRecord) -> Entry:
        """A new token that nobody has, reserved."""
        for _ in range(ATTEMPTS):
            token = token_number(pan.range, self._env.rng.digits(19))
            if not await self._take(token, reference):
                continue
            entry = Entry(reference, 0, record.changed(state=TokenState.PENDING), token, pan, pan_expiry)
            if await self._write(entry, after=None):
                return entry
            raise contended()  # the reference is taken, which chance alone cannot bring about
        raise Unavailable("TOKEN_RANGE_FULL", "no free token was found in the card's token range; ask again")

    async def _take(self, token: PaymentToken, reference: str) -> bool:
        """Enter a token's number under every name that it has now. False if it was ever issued before."""
        for name in self._keys.new_names_of_token(token):
            # Whoever has the first name has the number: nothing is entered under the next one for anybody else.
            if not await self._store.command("SETNX", f"tsp:{{{name}}}:index", reference):
                return False
        return True

    async def _withdraw(self, entry: Entry) -> None:
        """Take a reserved token back that nobody was told of; its number stays taken."""
        await self._store.call("tsp_withdraw_record", [_key(entry, "record")], [])

    async def _read(self, reference: str) -> Entry | None:
        known = self._audit.last_version(reference)  # asked first: a change in between is none of a rollback
        values = await self._store.command("HMGET", f"tsp:{{{reference}}}:record", *Row._fields)
        if values[0] is None:
            if known:
                raise _rolled_back()
            return None
        entry = unseal(self._keys, reference, Row(*(value or b"" for value in values)))
        if entry.version < known:
            raise _rolled_back()
        return entry

    async def _write(self, entry: Entry, after: int | None, notice: bytes = b"") -> bool:
        """Write an entry in the place of the version `after`, or of none. False if another one stands there now."""
        if notice:
            await self._store.command("SADD", WAITING, mark(entry.reference, entry.version))
        expected = "" if after is None else str(after)
        keys = [_key(entry, "record"), _key(entry, "outbox")]
        return bool(await self._store.call("tsp_write_record", keys, [expected, *seal(self._keys, entry), notice]))

    def _notice(self, entry: Entry, party: Party, cause: Cause) -> bytes:
        return TokenNotification(
            token=token_message(entry),
            party=f"PARTY_{party.name}",
            cause=f"CAUSE_{cause.name}",
            changed_at=f"{self._env.clock.now():%Y-%m-%dT%H:%M:%SZ}",
        ).SerializeToString()


def _key(entry: Entry, part: str) -> str:
    return f"tsp:{{{entry.reference}}}:{part}"


def _rolled_back() -> Unavailable:
    return Unavailable(
        "VAULT_RECORD_ROLLED_BACK",
        "the vault holds a token as it was before its last change: somebody put old data back, and it is not used",
    )


def contended() -> Unavailable:
    """What to raise when a step did not succeed in so many attempts."""
    return Unavailable("VAULT_CONTENDED", "the token is being changed by others at this moment; ask again")
