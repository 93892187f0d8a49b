"""The vault as one process has it, for tests of what happens when processes die, come back or run side by side."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from patience import STORE_TIMEOUT_S
from tsp_provider import START

from cardnet.card import Expiry, Pan, luhn_digit
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Env, FrozenClock, Rng
from cardnet.errors import Unavailable
from cardnet.store import Store
from services.tsp.app import LIBRARIES
from services.tsp.audit import AuditLog
from services.tsp.cards import Cards
from services.tsp.domain import Assurance, Cause, Party, TokenState, new_record
from services.tsp.history import Past
from services.tsp.instances import PLACE as INSTANCES
from services.tsp.kek import KekGiven, KekProvider
from services.tsp.key_office import KeyOffice
from services.tsp.keyring import Key, KeyState, Purpose
from services.tsp.keys import KeySet
from services.tsp.requestors import REQUESTORS
from services.tsp.sealing import Entry
from services.tsp.uses import Admission, Admittance, Uses
from services.tsp.vault import RedisVault

KEK = bytes(range(32))
EXPIRY = Expiry(2030, 11)


class Dying(Store):
    """A store whose process dies at its n-th question, before the store acts or after."""

    survives: int | None = None
    acts = False

    async def call(self, *asked: Any) -> Any:
        return await self._ask_or_die(super().call(*asked))

    async def command(self, *asked: Any) -> Any:
        return await self._ask_or_die(super().command(*asked))

    async def scan(self, *asked: Any) -> Any:
        return await self._ask_or_die(super().scan(*asked))

    async def _ask_or_die(self, asking: Any) -> Any:
        if self.survives is None:
            return await asking
        if self.survives <= 0 and not self.acts:
            asking.close()
            raise Unavailable("DEAD", "dead")
        self.survives -= 1
        answer = await asking
        if self.survives < 0:
            raise Unavailable("DEAD", "dead")
        return answer


class Process:
    """A vault, its keys and its keys' office."""

    def __init__(
        self, server: EmbeddedStore, audit_file: str = "", kek: bytes = KEK, provider: KekProvider | None = None
    ) -> None:
        """provider: of the key-encryption key, in place of `kek`."""
        self.clock = FrozenClock(START)
        self.store = Dying(server.url("tsp"), *LIBRARIES, owner="tsp", timeout_s=STORE_TIMEOUT_S)
        self.keys = KeySet(self.store, self.clock)
        self.audit = AuditLog(audit_file, self.keys, self.clock)
        env = Env(self.clock, Rng(), Rng())
        self.cards = Cards(self.store, self.keys, env.rng)
        self.vault = RedisVault(self.store, self.keys, self.audit, self.cards, env)
        self.uses = Uses(self.store, self.keys)
        provider = provider or KekGiven(kek)
        self.office = KeyOffice(self.store, self.keys, self.audit, self.clock, provider, cryptogram_window_s=900)
        self.env = env

    async def __aenter__(self) -> "Process":
        await self.office.start()
        await self.store.command("DEL", INSTANCES)  # or a rotation would wait until those that died are gone
        return self

    async def __aexit__(self, *_: object) -> None:
        self.store.survives = None
        await self.audit.close()
        await self.store.close()

    async def issue(self, pan: Pan, requestor: int = 0) -> Entry:
        record = new_record(
            pan,
            REQUESTORS[requestor],
            TokenState.ACTIVE,
            par=await self.cards.par_of(pan),
            assurance=Assurance("10", "issuer account verification"),
            today=START.date(),
        )
        return await self.vault.issue(self.env.rng.hex(16), pan, EXPIRY, record)

    async def pay(self, entry: Entry, transaction: str) -> Admission:
        return await self.uses.admit(entry, Admittance(transaction, b"body", None, 0))

    async def delete(self, entry: Entry) -> Entry:
        def unlinked(known: Entry) -> Any:
            return known.after(known.record.changed(state=TokenState.DELETED))

        await self.vault.change(entry.reference, unlinked, Party.TSP, Cause.OTHER)
        gone = await self.vault.find(entry.token)
        assert gone is not None
        assert gone.pan is None
        return gone

    async def rotate(self, purpose: Purpose, kek: bytes = b"") -> list[Any]:
        return [progress async for progress in self.office.rotate(purpose, kek)]

    async def back_up(self) -> list[bytes]:
        return [rows async for rows, _ in self.office.back_up()]

    def states(self, purpose: Purpose) -> list[KeyState]:
        return [key.state for key in self._of(purpose)]

    def later(self, by: timedelta) -> None:
        self.clock.advance(by)

    def _of(self, purpose: Purpose) -> Sequence[Key]:
        return [key for key in self.keys.keyring.keys if key.purpose is purpose]


def pans(count: int) -> list[Pan]:
    bodies = [f"99990000{number:07}" for number in range(count)]
    return [Pan(body + luhn_digit(body)) for body in bodies]


class Population:
    """Tokens of every kind, and what must be true of them whatever is done to the keys."""

    def __init__(self) -> None:
        self.live: list[Entry] = []
        self.paid: list[tuple[Entry, str]] = []
        self.deleted: list[Entry] = []
        self.orphan: tuple[Pan, str] | None = None
        """A card whose one token was deleted unused, and its PAR: nobody knows its PAN any more."""

    @classmethod
    async def settle(cls, process: Process, count: int = 5, *, orphan: bool = False) -> "Population":
        people = cls()
        numbers = pans(count + 2)
        for pan in numbers[:count]:
            entry = await process.issue(pan)
            people.live += [entry, await process.issue(pan, requestor=3)]
            assert await process.pay(entry, f"transaction-{pan.last_four}") is Admission.ADMITTED
            people.paid.append((entry, f"transaction-{pan.last_four}"))
        used = await process.issue(numbers[count])
        await process.pay(used, "before-the-end")
        people.paid.append((used, "before-the-end"))
        people.deleted.append(await process.delete(used))
        if orphan:
            unused = await process.issue(numbers[count + 1])
            people.deleted.append(await process.delete(unused))
            people.orphan = numbers[count + 1], unused.record.par
        return people

    async def prove(self, process: Process) -> None:
        """All is found by every name that it has, and is what it was."""
        vault, cards = process.vault, process.cards
        for entry in self.live:
            pan = entry.pan
            assert pan is not None
            assert await vault.find(entry.token) == entry
            assert await cards.token_of(pan, entry.record.token_requestor_id) == entry.reference
            assert entry.reference in await cards.references_of(pan)
            assert await cards.par_of(pan) == entry.record.par
        for entry in self.deleted:
            assert await vault.find(entry.token) == entry
        for entry, transaction in self.paid:
            assert entry.pan is not None and entry.pan_expiry is not None
            assert await process.uses.past(entry.reference, transaction) == Past(
                entry.token, entry.pan, entry.pan_expiry
            )
            assert await cards.known_par(entry.pan) == entry.record.par
        for entry, transaction in self.paid[:-1]:
            assert await process.pay(entry, transaction) is Admission.REPEATED
        for entry in (*self.live, *self.deleted):
            assert not await vault._take(entry.token, "f" * 32)  # no number is ever issued again
        if self.orphan:
            assert await cards.known_par(self.orphan[0]) == self.orphan[1]
