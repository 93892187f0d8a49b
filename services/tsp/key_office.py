"""The keys' office: opens the vault, rotates its keys, copies it and puts it back. What an operator asks comes here."""

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from cardnet.env import Clock
from cardnet.errors import Fault, InProgress, InvalidField, Unavailable
from cardnet.response_code import ResponseCode
from cardnet.store import Store
from services.tsp import backup
from services.tsp.audit import RESTORED, AuditLog, Event, ForeignLog
from services.tsp.backup import NotABackup, Restoration
from services.tsp.holdings import CARDS, RECORDS, Holdings
from services.tsp.instances import TELL_S, Instances
from services.tsp.kek import KekProvider
from services.tsp.keyring import Key, Purpose, VaultShut, WrongKek
from services.tsp.keys import KeySet
from services.tsp.opening import RESTORING, Opening
from services.tsp.rotation import Progress, Rotation
from services.tsp.turns import ALL_KEYS, Turns

log = logging.getLogger("cardnet")


class KeyOffice:
    """Everything that is done with all keys or the whole vault, one thing at a time in all instances together."""

    def __init__(
        self,
        store: Store,
        keys: KeySet,
        audit: AuditLog,
        clock: Clock,
        provider: KekProvider | None,
        *,
        cryptogram_window_s: int,
    ) -> None:
        """provider: gives the key-encryption key; None where the operator brings it."""
        self._store = store
        self._keys = keys
        self._audit = audit
        self._instances = Instances(store, keys, clock)
        self._opening = Opening(store, keys, audit, self._instances, provider)
        self.turns = Turns(store, self._instances)
        self._holdings = Holdings(store, keys)
        self._rotation = Rotation(keys, self._instances, self._holdings, clock, cryptogram_window_s=cryptogram_window_s)
        self._busy = False
        self._restoration: Restoration | None = None

    async def keys(self) -> tuple[Key, ...]:
        """Every key that there is or was, whichever instance made it. Unavailable while the vault is sealed."""
        await (self._instances.tell() if self._busy else self._opening.keep_up())
        await self._keys.card_key()  # the first one may still be in the making
        return self._keys.keyring.keys

    def also(self, reseal: Callable[[], Awaitable[None]]) -> None:
        """Have something else brought under the present data key, too, whenever that is rotated."""
        self._rotation.also(reseal)

    async def start(self) -> None:
        """Open the vault with the key that the settings gave. If that fails it stays sealed, and the log says why."""
        await self._opening.start()
        if not self._keys.sealed:
            await self._keep_copy()

    async def tend(self) -> None:
        """Follow the keyring and destroy what has outlived its use, from start to stop."""
        try:
            while True:
                try:
                    await self.look_after()
                except (Fault, VaultShut):  # next time, then
                    pass
                except Exception as problem:  # a provider of somebody else's may raise anything
                    log.error("the keys cannot be looked after (%s); it will be tried again", type(problem).__name__)
                await asyncio.sleep(TELL_S)
        finally:
            with suppress(Fault):
                await self._instances.leave()
            await self._audit.close()
            self._forget_restoration()

    async def unseal(self, kek: bytes) -> ResponseCode:
        """Open the vault. 63 if the key is another vault's; Unavailable if something else keeps it sealed."""
        if not self._keys.sealed:
            return ResponseCode.APPROVED
        try:
            await self._opening.open(kek)
        except WrongKek:
            return ResponseCode.SECURITY_VIOLATION
        except VaultShut as problem:
            raise _shut(problem) from None
        await self._keep_copy()
        await self._note("unseal")
        return ResponseCode.APPROVED

    async def rotate(self, purpose: Purpose, kek: bytes = b"") -> AsyncIterator[Progress]:
        """Replace a key, or finish what somebody began. kek: the new one, for the key-encryption key itself."""
        if bool(kek) != (purpose is Purpose.ENCRYPTION):
            raise InvalidField(
                "key_encryption_key", "must be given with KEY_PURPOSE_ENCRYPTION, and with no other purpose"
            )
        async with self._alone():
            await self._opening.keep_up()
            if kek:
                await self._opening.rewrap(kek)
                await self._instances.spread()
                await self._done("rotate", purpose.name)
                ring = self._keys.keyring
                yield Progress(len(ring.keys), len(ring.keys), ring.primary(purpose))
                return
            last = Progress(0, 0)
            async for progress in self._rotation.rotate(purpose):
                yield last
                last = progress
            await self._done("rotate", purpose.name)
            yield last

    async def back_up(self) -> AsyncIterator[tuple[bytes, int]]:
        """The vault in chunks, each with how many keys of the store ended in it."""
        async with self._alone():
            await self._opening.keep_up()
            await self._note("back-up")
            async for chunk in backup.copied(self._store, self._opening.kek):
                yield chunk

    async def restore(self, rows: bytes) -> ResponseCode:
        """Take rows of a backup; without any: that was all, put it back.

        94 where the vault is not empty; 63 where the rows are not as they were backed up under this key.
        """
        if not self._opening.kek:
            raise Unavailable("VAULT_SEALED", "the vault has no key-encryption key yet: unseal it first")
        if rows:
            if self._restoration is None or backup.begins(rows):
                self._forget_restoration()
                if not await self._may_be_restored():
                    return ResponseCode.DUPLICATE_TRANSMISSION
                self._restoration = Restoration(self._opening.kek)
            self._restoration.add(rows)
            return ResponseCode.APPROVED
        restoration, self._restoration = self._restoration or Restoration(self._opening.kek), None
        try:
            restoration.verify()
            async with self._alone():
                return await self._put_back(restoration)
        except (NotABackup, WrongKek):
            return ResponseCode.SECURITY_VIOLATION
        except VaultShut as problem:
            raise _shut(problem) from None
        finally:
            restoration.end()

    async def look_after(self) -> None:
        """Look once, as `tend` does every second. A Fault or VaultShut says why the keys cannot be looked after now."""
        if self._busy:
            await (self._instances.stay() if self._keys.sealed else self._instances.tell())
        elif not self._keys.sealed:
            await self._opening.keep_up()
        elif self._restoration is None:
            await self._opening.open_again()
        if not self._keys.sealed:
            await self._keys.card_key()
        if not (self._keys.sealed or self._busy):
            await self._rotation.retire()

    async def _may_be_restored(self) -> bool:
        """Whether the vault holds nothing: no token and no card, or half a restoration."""
        if await self._store.command("EXISTS", RESTORING):
            return True
        return not await self._holdings.any(RECORDS) and not await self._holdings.any(CARDS)

    async def _put_back(self, restoration: Restoration) -> ResponseCode:
        if not await self._may_be_restored():
            return ResponseCode.DUPLICATE_TRANSMISSION
        await self._store.command("SET", RESTORING, "1")
        self._keys.lock()
        await self._keys.grace()
        await self._instances.alone()  # the others make way, or are gone
        await restoration.put_back(self._store)
        await self._keys.open(self._opening.kek)
        try:
            await self._open_log()
            await self._audit.write(Event.of(RESTORED, self._keys.keyring.vault, self._keys.keyring.revision, "00"))
            await self._store.command("DEL", RESTORING)
        except BaseException:
            self._keys.lock()
            raise
        await self._instances.tell()
        await self._keep_copy()
        return ResponseCode.APPROVED

    async def _open_log(self) -> None:
        """Open the log of the vault that was restored; one of the empty vault that was here before is set aside."""
        try:
            await self._audit.open()
        except ForeignLog:
            await self._audit.set_aside()
            await self._audit.open()

    async def _done(self, op: str, result: str = "") -> None:
        await self._keep_copy()
        await self._note(op, result)

    async def _note(self, op: str, result: str = "") -> None:
        ring = self._keys.keyring
        await self._audit.write(Event.of(op, ring.vault, ring.revision, result))

    async def _keep_copy(self) -> None:
        """Keep the wrapped keys beside the audit log as well: it can be verified there without the store."""
        if self._audit.path:
            copy = self._audit.path.with_name(f"{self._audit.path.name}.keyring")
            await asyncio.to_thread(_write, copy, await self._keys.kept())

    def _forget_restoration(self) -> None:
        if self._restoration:
            self._restoration.end()
            self._restoration = None

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        if self._busy:
            raise _busy()
        self._busy = True
        try:
            if self._keys.sealed:
                await self._instances.stay()
            # Whoever was stopped in the midst of it holds nobody up for longer than it takes to find that out.
            if not await self.turns.take(ALL_KEYS, patiently=True):
                raise _busy()
            try:
                yield
            finally:
                with suppress(Fault):
                    await self.turns.end(ALL_KEYS)
        finally:
            self._busy = False


def _busy() -> InProgress:
    return InProgress("KEYS_BUSY", "keys are being rotated, or the vault copied: ask again when that is done")


def _write(path: Path, data: bytes) -> None:
    descriptor, whole = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(whole).replace(path)


def _shut(problem: VaultShut) -> Unavailable:
    return Unavailable("VAULT_STAYS_SEALED", f"the vault stays sealed: {problem}")
