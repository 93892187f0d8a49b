"""Opening the vault, and keeping it open: with the key that the settings gave, or that the operator brought.

tsp:{keyring}:restoring   there while a backup is put back, and after one that was cut short
"""

import logging
from collections.abc import Awaitable, Callable

from cardnet.config import SettingMissing
from cardnet.errors import Fault, Unavailable
from cardnet.store import Store
from services.tsp.audit import AuditLog
from services.tsp.instances import Instances
from services.tsp.kek import KekFile, KekProvider
from services.tsp.keyring import VaultShut, WrongKek
from services.tsp.keys import KeySet

log = logging.getLogger("cardnet")

RESTORING = "tsp:{keyring}:restoring"


class Opening:
    """Opens keys and audit log, and follows what other instances do with them."""

    def __init__(
        self, store: Store, keys: KeySet, audit: AuditLog, instances: Instances, provider: KekProvider | None
    ) -> None:
        """provider: gives the key-encryption key; None where the operator brings it."""
        self._store = store
        self._keys = keys
        self._audit = audit
        self._instances = instances
        self._provider = provider
        self.kek = b""
        """The key-encryption key, once one was shown that may be this vault's."""

    async def start(self) -> None:
        """Open the vault with the key that the settings gave. If that fails it stays sealed, and the log says why."""
        if self._provider is None:
            log.warning("the vault is sealed: no key-encryption key is set; unseal it with `cardnet keys unseal`")
            return
        try:
            await self._open_with(self._provider)
        except Fault:
            raise
        except Exception as problem:  # a provider of somebody else's may raise anything
            log.error("the vault stays sealed: %s", _words(problem))

    async def open(self, kek: bytes) -> None:
        """Open keys and audit log, or neither. VaultShut says why not."""
        if await self._store.command("EXISTS", RESTORING):
            self.kek = kek
            raise VaultShut("a restoration was cut short: restore the backup again (cardnet vault restore)")
        if self._audit.begun() and not await self._keys.exist():
            self.kek = kek
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
        self.kek = kek
        await self._instances.tell()

    async def open_again(self) -> None:
        """Open the vault once what kept it sealed is over: a restoration elsewhere, a key that was not there yet."""
        if self.kek:
            await (self._open_with(self._provider) if self._provider else self.open(self.kek))

    async def keep_up(self) -> None:
        """Follow what other instances did, while the vault is open."""
        if await self._store.command("EXISTS", RESTORING):
            await self._make_way()
            return
        try:
            await self._instances.tell()
        except Unavailable as fault:
            if fault.reason != "VAULT_REWRAPPED":
                raise
            await self._follow()

    async def rewrap(self, kek: bytes) -> None:
        """Wrap all keys under another key-encryption key, and have the file hold it, if one does."""
        file = self._provider if isinstance(self._provider, KekFile) else None
        if file:
            try:
                file.prepare(kek)
            except OSError:
                raise Unavailable(
                    "KEK_FILE_READ_ONLY", "the file of CARDNET_TSP_KEK_FILE cannot be replaced here: make it writable"
                ) from None
        await self._keys.rewrap(kek)
        self.kek = kek
        if file:
            file.settle(kek)
        else:
            log.warning("the key-encryption key is another one now: have it given at the next start")

    async def _open_with(self, provider: KekProvider) -> None:
        await _with_key_of(provider, self.open)

    async def _make_way(self) -> None:
        """Another instance puts the vault back: use no keys until that is done, and say so."""
        self._keys.lock()
        await self._keys.grace()
        await self._instances.leave()

    async def _follow(self) -> None:
        """Another instance rotated the key-encryption key. Go on with the new one, or else the vault is sealed."""
        try:
            await _with_key_of(self._provider, self._reopen)
        except Fault:
            raise
        except Exception as problem:  # likewise
            self._keys.lock()
            await self._instances.leave()
            log.error("the vault is sealed, for another instance rotated its key-encryption key: %s", _words(problem))

    async def _reopen(self, kek: bytes) -> None:
        await self._keys.open(kek)
        self.kek = kek
        await self._instances.tell()


async def _with_key_of(provider: KekProvider | None, use: Callable[[bytes], Awaitable[None]]) -> None:
    """Use the key that a provider has. WrongKek if it has none that is this vault's."""
    if provider is None:
        raise WrongKek
    try:
        await use(await provider.key())
    except WrongKek:
        # The key may have been rotated by somebody who was stopped before the file had the new one, or who puts it
        # there at this moment.
        if not isinstance(provider, KekFile):
            raise
        key = provider.next_key() or await provider.key()
        await use(key)
        provider.settle(key)


def _words(problem: Exception) -> str:
    if isinstance(problem, VaultShut | SettingMissing):
        return str(problem)
    return f"the key-encryption key's provider failed ({type(problem).__name__})"
