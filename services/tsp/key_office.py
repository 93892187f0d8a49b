"""The keys' office: opens the vault, rotates its keys, copies it and puts it back. What an operator asks comes here."""

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cardnet.config import SettingMissing
from cardnet.env import Clock
from cardnet.errors import Fault, InProgress, InvalidField, Unavailable
from cardnet.response_code import ResponseCode
from cardnet.store import Store
from services.tsp import backup
from services.tsp.audit import RESTORED, AuditLog, Event, ForeignLog
from services.tsp.backup import NotABackup, Restoration
from services.tsp.holdings import CARDS, RECORDS, Holdings
from services.tsp.instances import TELL_S, Instances
from services.tsp.kek import KekFile, KekProvider
from services.tsp.keyring import Key, Purpose, VaultShut, WrongKek
from services.tsp.keys import KeySet
from services.tsp.rotation import Progress, Rotation

log = logging.getLogger("cardnet")

_RESTORING = "tsp:{keyring}:restoring"


class KeyOffice:
    """Everything that is done with all keys or the whole vault, one thing at a time."""

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
        self._provider = provider
        self._instances = Instances(store, keys, clock)
        self._holdings = Holdings(store, keys)
        self._rotation = Rotation(keys, self._instances, self._holdings, clock, cryptogram_window_s=cryptogram_window_s)
        self._kek = b""
        """The key-encryption key, once one was shown that may be this vault's."""
        self._busy = False
        self._restoration: Restoration | None = None

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every key that there is or was. Unavailable while the vault is sealed."""
        return self._keys.keyring.keys

    def also(self, reseal: Callable[[], Awaitable[None]]) -> None:
        """Have something else brought under the present data key, too, whenever that is rotated."""
        self._rotation.also(reseal)

    async def start(self) -> None:
        """Open the vault with the key that the settings gave. If that fails it stays sealed, and the log says why."""
        if self._provider is None:
            log.warning("the vault is sealed: no key-encryption key is set; unseal it with `cardnet keys unseal`")
            return
        try:
            await self._open_with(self._provider)
        except (VaultShut, SettingMissing) as problem:
            log.error("the vault stays sealed: %s", problem)
        except Fault:
            raise
        except Exception as problem:  # a provider of somebody else's may raise anything
            log.error("the vault stays sealed: the key-encryption key's provider failed (%s)", type(problem).__name__)

    async def tend(self) -> None:
        """Follow the keyring and destroy what has outlived its use, from start to stop."""
        try:
            while True:
                with suppress(Fault, VaultShut):  # next time, then
                    await self._look_after()
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
            await self._open(kek)
        except WrongKek:
            return ResponseCode.SECURITY_VIOLATION
        except VaultShut as problem:
            raise _shut(problem) from None
        await self._note("unseal")
        return ResponseCode.APPROVED

    async def rotate(self, purpose: Purpose, kek: bytes = b"") -> AsyncIterator[Progress]:
        """Replace a key, or finish what somebody began. kek: the new one, for the key-encryption key itself."""
        if bool(kek) != (purpose is Purpose.ENCRYPTION):
            raise InvalidField(
                "key_encryption_key", "must be given with KEY_PURPOSE_ENCRYPTION, and with no other purpose"
            )
        with self._alone():
            if kek:
                await self._rewrap(kek)
                await self._done("rotate", purpose.name)
                yield Progress(len(self.keys), len(self.keys), self._keys.keyring.primary(purpose))
                return
            last = Progress(0, 0)
            async for progress in self._rotation.rotate(purpose):
                yield last
                last = progress
            await self._done("rotate", purpose.name)
            yield last

    async def back_up(self) -> AsyncIterator[tuple[bytes, int]]:
        """The vault in chunks, each with how many keys of the store ended in it."""
        with self._alone():
            await self._note("back-up")
            async for chunk in backup.copied(self._store, self._kek):
                yield chunk

    async def restore(self, rows: bytes) -> ResponseCode:
        """Take rows of a backup; without any: that was all, put it back.

        94 where the vault is not empty; 63 where the rows are not as they were backed up under this key.
        """
        if not self._kek:
            raise Unavailable("VAULT_SEALED", "the vault has no key-encryption key yet: unseal it first")
        if rows:
            if self._restoration is None or backup.begins(rows):
                self._forget_restoration()
                if not await self._may_be_restored():
                    return ResponseCode.DUPLICATE_TRANSMISSION
                self._restoration = Restoration(self._kek)
            self._restoration.add(rows)
            return ResponseCode.APPROVED
        restoration, self._restoration = self._restoration or Restoration(self._kek), None
        try:
            restoration.verify()
            with self._alone():
                return await self._put_back(restoration)
        except (NotABackup, WrongKek):
            return ResponseCode.SECURITY_VIOLATION
        except VaultShut as problem:
            raise _shut(problem) from None
        finally:
            restoration.end()

    async def _open_with(self, provider: KekProvider) -> None:
        try:
            await self._open(await provider.key())
        except WrongKek:
            # The key may have been rotated by somebody who was stopped before the file had the new one.
            next_key = provider.next_key() if isinstance(provider, KekFile) else None
            if next_key is None:
                raise
            await self._open(next_key)
            assert isinstance(provider, KekFile)
            provider.settle()

    async def _open(self, kek: bytes) -> None:
        """Open keys and audit log, or neither. VaultShut says why not."""
        if await self._store.command("EXISTS", _RESTORING):
            self._kek = kek
            raise VaultShut("a restoration was cut short: restore the backup again (cardnet vault restore)")
        if self._audit.begun() and not await self._keys.exist():
            self._kek = kek
            raise VaultShut(
                "the store is empty and the audit log is not: restore a backup (cardnet vault restore), "
                "or move the log away to begin a new vault"
            )
        await self._keys.open(kek)
        try:
            await self._audit.open()
            if self._keys.keyring.revision < self._audit.last_version(self._keys.keyring.vault):
                raise VaultShut("the keyring in the store is an older one than the audit log knows: restore the store")
        except BaseException:
            self._keys.lock()
            raise
        self._kek = kek
        await self._instances.tell()
        await self._keep_copy()

    async def _look_after(self) -> None:
        if self._keys.sealed:
            if self._kek and self._provider and self._restoration is None and not self._busy:
                await self._open_with(self._provider)  # another instance rotated the key-encryption key
            return
        await self._keys.card_key()
        await self._instances.tell()
        await self._rotation.retire()

    async def _rewrap(self, kek: bytes) -> None:
        file = self._provider if isinstance(self._provider, KekFile) else None
        if file:
            file.prepare(kek)
        await self._keys.rewrap(kek)
        self._kek = kek
        if file:
            file.settle()
        else:
            log.warning("the key-encryption key is another one now: have it given at the next start")

    async def _may_be_restored(self) -> bool:
        """Whether the vault holds nothing: no token and no card, or half a restoration."""
        if await self._store.command("EXISTS", _RESTORING):
            return True
        return not await self._holdings.any(RECORDS) and not await self._holdings.any(CARDS)

    async def _put_back(self, restoration: Restoration) -> ResponseCode:
        if not await self._may_be_restored():
            return ResponseCode.DUPLICATE_TRANSMISSION
        await self._store.command("SET", _RESTORING, "1")
        self._keys.lock()
        await self._keys.grace()
        await restoration.put_back(self._store)
        await self._keys.open(self._kek)
        try:
            await self._open_log()
            await self._audit.write(Event.of(RESTORED, self._keys.keyring.vault, self._keys.keyring.revision, "00"))
            await self._store.command("DEL", _RESTORING)
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

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._busy:
            raise InProgress("KEYS_BUSY", "keys are being rotated, or the vault copied: ask again when that is done")
        self._busy = True
        try:
            yield
        finally:
            self._busy = False


def _write(path: Path, data: bytes) -> None:
    descriptor, whole = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(whole).replace(path)


def _shut(problem: VaultShut) -> Unavailable:
    return Unavailable("VAULT_STAYS_SEALED", f"the vault stays sealed: {problem}")
