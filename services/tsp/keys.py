"""The keys of the token service provider: sealed until the key-encryption key is there, one set for each purpose then.

They stay in this process; the store has them wrapped (services/tsp/keyring.py). Whoever has the store and the
key-encryption key has the cards.
"""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor

from cryptography.exceptions import InvalidTag

from cardnet.card import Pan, PaymentToken
from cardnet.config import SettingMissing
from cardnet.cryptogram import CryptogramKey
from cardnet.env import Clock
from cardnet.errors import Unavailable
from cardnet.store import Store
from services.tsp.keyed import CardKey, Keyed, new_card_secret
from services.tsp.keyring import Keyring, Purpose, RedisKeyring, VaultShut, WrongKek, new_keyring, unwrapped, wrapped
from services.tsp.using import Using

_HEX_KEY = re.compile(r"[0-9A-Fa-f]{32}")
_ATTEMPTS = 8


class _Open:
    """What is there while the vault is open."""

    __slots__ = ("held", "kek", "keyed", "ring")

    def __init__(self, kek: bytes, held: bytes, ring: Keyring, shared_cryptogram_key: bytes) -> None:
        self.kek = kek
        self.held = held
        self.ring = ring
        self.keyed = Keyed(ring, shared_cryptogram_key)


class KeySet:
    """All keys. While it is sealed every use raises Unavailable("VAULT_SEALED")."""

    def __init__(self, store: Store, clock: Clock, cryptogram_key: str = "") -> None:
        """cryptogram_key: 32 hexadecimal digits that take the place of the set's own, so that an issuer can hold them
        too; or empty. SettingMissing if it is neither."""
        if cryptogram_key and not _HEX_KEY.fullmatch(cryptogram_key):
            raise SettingMissing("CARDNET_CRYPTOGRAM_KEY must be 32 hexadecimal digits: an AES-128 key")
        self._shared = bytes.fromhex(cryptogram_key)
        self._kept = RedisKeyring(store)
        self._clock = clock
        self._open: _Open | None = None
        self._using = Using()
        self._left: list[Using] = []
        self._generated: Future[bytes] | None = None
        self._trusted_until = math.inf
        self._renew: Callable[[], Awaitable[None]] | None = None
        self.openings = 0
        """Goes up by one when the keys are forgotten: what was found with them need not be so afterwards."""

    @property
    def sealed(self) -> bool:
        """Whether there are no keys to use."""
        return self._open is None

    @property
    def shares_cryptogram_key(self) -> bool:
        """Whether the cryptograms' key was given, and is not the keyring's."""
        return bool(self._shared)

    @property
    def keyring(self) -> Keyring:
        """The keys by purpose, number and state."""
        return self._opened().ring

    async def exist(self) -> bool:
        """Whether the store has a keyring."""
        return bool(await self._kept.read())

    async def kept(self) -> bytes:
        """The keyring as the store has it, wrapped."""
        return await self._kept.read()

    async def open(self, kek: bytes) -> None:
        """Open the keyring, or make the first one. Of several who make it at once, one does, and all have its keys.

        VaultShut says why it cannot be opened; WrongKek if the key-encryption key (32 bytes) is another vault's.
        """
        held = await self._kept.read()
        if not held:
            held = await self._kept.replace(b"", wrapped(new_keyring(self._clock.now()), kek))
        self._adopt(kek, held, unwrapped(held, kek))
        if not self.keyring.of(Purpose.CARD):
            self._generated = self._generated or _in_thread(new_card_secret)

    def lock(self) -> None:
        """Forget all keys: the vault is sealed."""
        self._open = None
        self.openings += 1
        self._generated = None
        self._end_epoch()

    async def refresh(self) -> None:
        """Take over what other instances changed in the keyring.

        Unavailable if it is damaged or an older one, or VAULT_REWRAPPED: under another key-encryption key, which is to
        be brought with `open`.
        """
        now = self._opened()
        held = await self._kept.read()
        if held != now.held:
            self._take_over(held)

    async def change(self, edit: Callable[[Keyring], Keyring]) -> None:
        """Change the keyring in one step, here and in the store. edit: gives the next, or the same for no change."""
        for _ in range(_ATTEMPTS):
            now = self._opened()
            ring = edit(now.ring)
            if ring is now.ring or await self._replace(now, ring, now.kek):
                return
        raise Unavailable("VAULT_CONTENDED", "the keyring is being changed by others at this moment; ask again")

    async def rewrap(self, kek: bytes) -> None:
        """Wrap all keys under another key-encryption key, in one step."""
        for _ in range(_ATTEMPTS):
            now = self._opened()
            if now.kek == kek or await self._replace(now, now.ring.with_new_kek(self._clock.now()), kek):
                return
        raise Unavailable("VAULT_CONTENDED", "the keyring is being changed by others at this moment; ask again")

    def using(self) -> Using:
        """Hold this, with `with`, from taking a name or sealing until the store has what was made with it.

        A key is destroyed, and what stood under an old name removed, only when all have left who entered before.
        """
        return self._using

    def renewed_by(self, renew: Callable[[], Awaitable[None]]) -> None:
        """Have the keys looked at again, by this, whenever they are used after `trust_until`."""
        self._renew = renew

    def trust_until(self, moment_s: float) -> None:
        """Until when other instances wait for this one before they destroy a key: on the event loop's clock."""
        self._trusted_until = moment_s

    async def up_to_date(self) -> None:
        """Look at the keyring before it is used, if this process stood still for so long that it may have changed."""
        if self._renew and self._open and asyncio.get_running_loop().time() > self._trusted_until:
            await self._renew()

    async def grace(self) -> None:
        """Wait until nobody uses the keys as they were before the last change."""
        for left in tuple(self._left):
            await left.over()
            if left in self._left:
                self._left.remove(left)

    def names_of_token(self, token: PaymentToken) -> tuple[str, ...]:
        """What the store may call a token: 32 hexadecimal digits each, the primary key's name first. To look under."""
        number = token.reveal().encode()
        return tuple([key.name(number) for key in self._keyed().tokens])

    def names_of_pan(self, pan: Pan) -> tuple[str, ...]:
        """What the store may call a PAN, likewise."""
        number = pan.reveal().encode()
        return tuple([key.name(number) for key in self._keyed().pans])

    def new_names_of_token(self, token: PaymentToken) -> tuple[str, ...]:
        """The names under which a new token is entered. Who has the first has it: claim them in this order."""
        number = token.reveal().encode()
        return tuple([key.name(number) for key in self._keyed().new_tokens])

    def new_names_of_pan(self, pan: Pan) -> tuple[str, ...]:
        """The names under which something new of a PAN is entered, likewise."""
        number = pan.reveal().encode()
        return tuple([key.name(number) for key in self._keyed().new_pans])

    def seal(self, plaintext: bytes, beside: bytes, salt: bytes = b"") -> tuple[int, bytes]:
        """The number of the data key, and nonce and ciphertext. beside: what is bound to it and stands elsewhere."""
        return self._keyed().seal(plaintext, beside, salt)

    def unseal(self, number: int, sealed: bytes, beside: bytes, salt: bytes = b"") -> bytes:
        """The plaintext. Unavailable unless all is as `seal` had it."""
        try:
            return self._keyed().unseal(number, sealed, beside, salt)
        except (InvalidTag, KeyError, ValueError):
            raise _damaged() from None

    def seal_history(self, plaintext: bytes, beside: bytes) -> tuple[int, bytes]:
        """As `seal`, with the history's key."""
        return self._keyed().seal_history(plaintext, beside)

    def unseal_history(self, number: int, sealed: bytes, beside: bytes) -> bytes:
        """As `unseal`, with the history's key."""
        try:
            return self._keyed().unseal_history(number, sealed, beside)
        except (InvalidTag, KeyError, ValueError):
            raise _damaged() from None

    def fingerprints(self, message: bytes) -> tuple[str, ...]:
        """What tells one message from another without keeping it: 32 hexadecimal digits, the primary key's first."""
        return tuple([key.name(message) for key in self._keyed().fingerprints])

    @property
    def cryptogram_key(self) -> CryptogramKey:
        """The key to make cryptograms with."""
        return self._keyed().cryptogram

    def cryptogram_key_of(self, index: int) -> CryptogramKey | None:
        """The key to verify cryptograms of an index with; None where there is none, or not any more."""
        return self._keyed().cryptograms.get(index)

    def audit_mac(self, data: bytes, number: int | None = None) -> tuple[int, bytes]:
        """The audit key's number and its MAC of the data. KeyError where there is no key of a given number."""
        return self._keyed().audit_mac(data, number)

    async def card_key(self) -> CardKey:
        """The key that cards are encrypted to. The first one is made meanwhile, in a thread, and waited for here."""
        await self.up_to_date()
        card = self._keyed().card
        if card is None and self._generated:
            await self._add_card_key(await asyncio.shield(asyncio.wrap_future(self._generated)))
            card = self._keyed().card
        assert card is not None  # `open` had one generated
        return card

    async def _add_card_key(self, secret: bytes) -> None:
        now = self._clock.now()

        def added(ring: Keyring) -> Keyring:
            if ring.of(Purpose.CARD):
                return ring
            return ring.with_prepared(Purpose.CARD, secret, now).with_promoted(Purpose.CARD, now)

        await self.change(added)

    async def _replace(self, now: _Open, ring: Keyring, kek: bytes) -> bool:
        """Whether the keyring was replaced; if somebody else was faster, theirs is taken over."""
        wanted = wrapped(ring, kek)
        held = await self._kept.replace(now.held, wanted)
        self._opened()  # if it was sealed meanwhile, as for a restoration, these keys are not to come back
        if held != wanted:
            self._take_over(held)
            return False
        self._adopt(kek, held, ring)
        return True

    def _take_over(self, held: bytes) -> None:
        now = self._opened()
        try:
            ring = unwrapped(held, now.kek)
        except WrongKek:
            raise Unavailable(
                "VAULT_REWRAPPED", "the key-encryption key was rotated elsewhere: bring the new one"
            ) from None
        except VaultShut as problem:
            raise Unavailable("KEYRING_DAMAGED", str(problem)) from None
        if ring.vault != now.ring.vault or ring.revision < now.ring.revision:
            raise Unavailable(
                "KEYRING_DAMAGED", "the keyring in the store is an older one, or another vault's: restore the store"
            )
        self._adopt(now.kek, held, ring)

    def _adopt(self, kek: bytes, held: bytes, ring: Keyring) -> None:
        if self._open and ring.revision < self._open.ring.revision:
            return  # a later change of ours came in between
        self._open = _Open(kek, held, ring, self._shared)
        self._end_epoch()

    def _end_epoch(self) -> None:
        self._left.append(self._using)
        self._using = Using()

    def _opened(self) -> _Open:
        if self._open is None:
            raise _sealed()
        return self._open

    def _keyed(self) -> Keyed:
        return self._opened().keyed


def _sealed() -> Unavailable:
    return Unavailable(
        "VAULT_SEALED",
        "the token service provider's vault is sealed: the operator must unseal it (cardnet keys unseal)",
    )


def _damaged() -> Unavailable:
    return Unavailable(
        "VAULT_RECORD_DAMAGED", "a record in the vault is not as the vault wrote it: nothing is told of its token"
    )


def _in_thread(make: Callable[[], bytes]) -> "Future[bytes]":
    thread = ThreadPoolExecutor(1)
    future = thread.submit(make)
    thread.shutdown(wait=False)
    return future
