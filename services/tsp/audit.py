"""The audit log: what was done with tokens is on disk before anybody is answered, or nobody is answered.

It also remembers, outside the store, the last version of every token that was changed: a record that is older was put
back by somebody. No PAN, token or cryptogram is ever in it.
"""

import asyncio
import tempfile
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple, Self

from cardnet.call import current
from cardnet.env import Clock
from cardnet.errors import Fault, Unavailable
from services.tsp.audit_chain import AuditChain, ChainBroken, ForeignChain, Line
from services.tsp.keyed import KeyedHash
from services.tsp.keyring import Purpose, VaultShut, unwrapped
from services.tsp.keys import KeySet

RESTORED = "restored"
"""The operation after which the tokens are as a backup had them, and former versions do not count."""


class Event(NamedTuple):
    """Something that was done."""

    op: str
    """What, such as "detokenise"."""
    ref: str
    """The Token Reference ID, or the vault's identifier where it concerns the vault."""
    version: int
    """The version of the token's record afterwards, or as it was used; of the keyring where it concerns the vault."""
    result: str
    """A response code, a state: how it ended."""
    caller: str
    trace_id: str

    @classmethod
    def of(cls, op: str, ref: str = "", version: int = 0, result: str = "") -> Self:
        """An event of the call that is being answered."""
        call = current.get()
        return cls(op, ref, version, result, call.caller if call else "", call.trace.trace_id if call else "")


class Report(NamedTuple):
    """What a look at a log found."""

    lines: int
    """How many are in order."""
    last_at: str
    """The time of the last of them; empty for none."""
    problem: str
    """What is wrong with the next one; empty where nothing is."""


class ForeignLog(VaultShut):
    """The log is another vault's."""


Waiting = tuple[dict[str, Any], "asyncio.Future[None]"]


class AuditLog:
    """Appends events. A thread of its own writes whatever waits in one batch, so a sync to disk serves many."""

    def __init__(self, file: str, keys: KeySet, clock: Clock) -> None:
        """file: where the log is; empty for a temporary one that ends with this run."""
        self._path = Path(file) if file else None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._keys = keys
        self._clock = clock
        self._versions: dict[str, int] = {}
        self._waiting: list[Waiting] = []
        self._writing = False
        self._queue: SimpleQueue[list[Waiting] | None] = SimpleQueue()
        self._chain: AuditChain | None = None
        self._thread: threading.Thread | None = None

    @property
    def path(self) -> Path | None:
        """Where the log is; None for a temporary one."""
        return self._path

    def begun(self) -> bool:
        """Whether there is a log already, of this vault or another."""
        return self._path is not None and self._path.exists() and self._path.stat().st_size > 0

    async def open(self) -> None:
        """Read and verify the whole log, and begin to write. The keys must be open. VaultShut if it cannot be used."""
        await self._stop()
        path = self._path or self._temporary()
        try:
            self._chain = AuditChain(path, self._keys.keyring.vault, self._keys.audit_mac)
            self._versions = await asyncio.to_thread(_versions_in, self._chain)
        except (ForeignChain, ChainBroken, OSError) as problem:
            await self._stop()
            raise _shut(path, problem) from None
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(self._chain,), name="audit", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Write what waits, and end; a temporary log is removed."""
        await self._stop()
        if self._folder:
            self._folder.cleanup()
            self._folder = None

    async def set_aside(self) -> None:
        """Put the log under another name, beside its place: what it tells of is no more."""
        await self._stop()
        if self._path and self.begun():
            self._path.rename(_unused(self._path))

    async def write(self, event: Event) -> None:
        """Write an event; when this returns it is on disk. Unavailable("AUDIT_UNAVAILABLE") if it is not."""
        if self._thread is None:
            raise _unavailable("it is not open")
        facts = {
            "at": f"{self._clock.now().isoformat(timespec='milliseconds')[:23]}Z",
            "op": event.op,
            "ref": event.ref,
            "version": event.version,
            "result": event.result,
            "caller": event.caller,
            "trace": event.trace_id,
        }
        written: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((facts, written))
        if not self._writing:
            self._writing = True
            self._loop.call_soon(self._send)  # with all that is still asked for in this turn of the event loop
        await written

    def last_version(self, reference: str) -> int:
        """The version of a token after its last change; 0 if it was never changed.

        Ask before you ask the store for the record: a change in between is none of a rollback.
        """
        return self._versions.get(reference, 0)

    def _temporary(self) -> Path:
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="cardnet-audit-")
        return Path(self._folder.name, "tsp.audit")

    async def _stop(self) -> None:
        thread, self._thread = self._thread, None
        if thread:
            self._send()
            self._queue.put(None)
            await asyncio.to_thread(thread.join)
        if self._chain:
            self._chain.close()
        self._chain = None

    def _send(self) -> None:
        self._queue.put(self._waiting)
        self._waiting = []

    def _run(self, chain: AuditChain) -> None:
        """The writing thread."""
        while (batch := self._queue.get()) is not None:
            learnt, why = _append(chain, [facts for facts, _ in batch])
            with suppress(RuntimeError):  # the loop may have ended before us
                self._loop.call_soon_threadsafe(self._wake, batch, learnt, why)

    def _wake(self, batch: Sequence[Waiting], learnt: Sequence[Line], why: str) -> None:
        # What came meanwhile goes out in one batch: while it is written, the next one gathers.
        self._writing = bool(self._waiting)
        if self._waiting:
            self._send()
        # In the event loop, behind all answers of the store that came before: whoever reads a version here and then a
        # record has not been overtaken.
        _learn(self._versions, learnt)
        if not why:
            _learn(self._versions, [Line(fact["op"], fact["ref"], fact["version"], "") for fact, _ in batch])
        for _, written in batch:
            if written.done():
                continue
            if why:
                written.set_exception(_unavailable(why))
            else:
                written.set_result(None)


def verify_file(path: Path, keyring: bytes, kek: bytes) -> Report:
    """Hold a log against its keys. keyring: as the store has it. VaultShut where keyring and kek do not match."""
    ring = unwrapped(keyring, kek)
    keys = {key.number: KeyedHash(key.secret) for key in ring.of(Purpose.AUDIT)}
    chain = AuditChain(
        path, ring.vault, lambda data, number: (number or 0, keys[number or 0].digest(data)), looking_only=True
    )
    last_at = ""
    try:
        for line in chain.read():
            last_at = line.at
        problem = ""
    except ForeignChain:
        problem = "the log is another vault's"
    except ChainBroken as broken:
        problem = str(broken)
    finally:
        chain.close()
    return Report(chain.length, last_at, problem)


def _shut(path: Path, problem: Exception) -> VaultShut:
    match problem:
        case ForeignChain():
            return ForeignLog(
                f"the audit log {path} is another vault's: move it away, or name another (CARDNET_TSP_AUDIT_FILE)"
            )
        case ChainBroken():
            return VaultShut(
                f"{problem}: run `cardnet audit verify`; then restore the log, or move it away to begin a new one"
            )
        case _:
            return VaultShut(f"the audit log {path} cannot be opened: see to its folder and its rights")


def _append(chain: AuditChain, events: Sequence[dict[str, Any]]) -> tuple[Sequence[Line], str]:
    """What others had appended; and why the events could not be, empty where they were."""
    try:
        return (chain.append(events) if events else ()), ""
    except OSError as error:
        return (), f"{error.strerror or 'the file was moved or removed'}"
    except (ChainBroken, ForeignChain) as broken:
        return (), str(broken)
    except (Fault, KeyError):
        return (), "the vault is sealed"


def _versions_in(chain: AuditChain) -> dict[str, int]:
    versions: dict[str, int] = {}
    _learn(versions, chain.read())
    return versions


def _learn(versions: dict[str, int], lines: Iterable[Line]) -> None:
    for line in lines:
        if line.op == RESTORED:
            versions.clear()
        if line.version > max(1, versions.get(line.ref, 0)):
            versions[line.ref] = line.version


def _unused(path: Path) -> Path:
    number = 1
    while (beside := path.with_name(f"{path.name}.{number}")).exists():
        number += 1
    return beside


def _unavailable(why: str) -> Unavailable:
    return Unavailable("AUDIT_UNAVAILABLE", f"the audit log cannot be written ({why}): nothing is done without it")
