"""The Token Requestors registered here (EMVCo framework 2.3, section 5.2). 000 is EMVCo's TSP code for testing.

    tsp:{requestors}:registered  <TRID> -> the requestor, sealed
    tsp:{requestors}:webhooks    <TRID> -> where its notifications are posted and the key that signs them, sealed

Sealed with the data key under their identifier: whoever widened a domain in the store would widen every token that is
issued from then on. A registration never changes, so what was read once may be kept.
"""

import json
from dataclasses import replace
from typing import NamedTuple

from cardnet.errors import InvalidField, NotPermitted, Unavailable
from cardnet.identity import MERCHANT, is_name, role_of
from cardnet.store import Store
from services.tsp.domain import MERCHANT_COUNTRY, Domain, EntryMode, Location, Requestor, Usage
from services.tsp.keys import KeySet
from services.tsp.using import while_using_keys

_ON_FILE = frozenset({EntryMode.CREDENTIAL_ON_FILE, EntryMode.ECOMMERCE})


def _shop(
    entry_modes: frozenset[EntryMode] = _ON_FILE,
    usage: Usage = Usage.CARD_ON_FILE,
    *,
    merchant_id: str = "MERCHANT0000001",
    merchant_domain: str = "shop.example",
    cryptogram_required: bool = False,
) -> Domain:
    return Domain(
        merchant_ids=frozenset({merchant_id}),
        merchant_domain=merchant_domain,
        entry_modes=entry_modes,
        cryptogram_required=cryptogram_required,
        usage=usage,
    )


REQUESTORS = (
    Requestor("00000000001", "merchant", _shop()),
    Requestor("00000000002", "merchant", _shop(frozenset({EntryMode.ECOMMERCE}), cryptogram_required=True)),
    Requestor(
        "00000000003",
        "other-merchant",
        _shop(merchant_id="MERCHANT0000002", merchant_domain="other-shop.example"),
    ),
    Requestor("00000000004", "merchant", _shop(usage=Usage.ONE_TIME), Location.TEMPORARY),
    Requestor("00000000005", "merchant", _shop(usage=Usage.RECURRING)),
    # A wallet's own tokens pay nowhere: they stand for its cards when it asks for tokens of those who are to be paid.
    Requestor("00000000006", "wallet", replace(_shop(), merchant_ids=frozenset()), Location.SHARED),
)
"""Those who are there from the start. A party has one identifier for each use that it makes of tokens."""

_BUILT_IN = {requestor.token_requestor_id: requestor for requestor in REQUESTORS}

_REGISTERED = "tsp:{requestors}:registered"
_WEBHOOKS = "tsp:{requestors}:webhooks"
_SCHEMAS = {_REGISTERED: b"cardnet.requestor.v1", _WEBHOOKS: b"cardnet.webhook.v1"}
_NUMBER = 4
"""The bytes before the ciphertext that say under which data key it is."""

ATTEMPTS = 64
"""How often an identifier is drawn again when another registration had it first."""


class Webhook(NamedTuple):
    """Where a requestor's notifications are posted."""

    url: str
    secret: str
    """The key of the signatures: 64 hexadecimal digits."""


class Requestors:
    """The registry. Every coroutine raises Unavailable when store or keys do not answer, or a row is not as written.

    Those from the start stand in the code: they need neither store nor keys.
    """

    def __init__(self, store: Store, keys: KeySet) -> None:
        self._store = store
        self._keys = keys
        self._known = dict(_BUILT_IN)
        self._opening = 0

    async def find(self, token_requestor_id: str) -> Requestor | None:
        """The requestor with this identifier, or None."""
        if token_requestor_id in _BUILT_IN:
            return _BUILT_IN[token_requestor_id]
        await self._look_again()
        if token_requestor_id not in self._known:
            row: bytes | None = await self._store.command("HGET", _REGISTERED, token_requestor_id)
            if row is None:
                return None
            self._known[token_requestor_id] = self._opened(token_requestor_id, row)
        return self._known[token_requestor_id]

    async def registered(self, token_requestor_id: str, caller: str) -> Requestor:
        """The requestor, if it is registered to the caller; NotPermitted in one form whether it exists or not."""
        requestor = await self.find(token_requestor_id)
        if requestor is None or requestor.identity != caller:
            raise NotPermitted("REQUESTOR_NOT_REGISTERED", "the Token Requestor ID is not registered to the caller")
        return requestor

    async def all(self) -> list[Requestor]:
        """Every requestor, in the order of the identifiers."""
        await self._look_again()
        rows: dict[bytes, bytes] = await self._store.command("HGETALL", _REGISTERED)
        for name, row in rows.items():
            if name.decode() not in self._known:
                self._known[name.decode()] = self._opened(name.decode(), row)
        return [self._known[name] for name in sorted(_BUILT_IN.keys() | {name.decode() for name in rows})]

    async def registered_to(self, identity: str) -> frozenset[str]:
        """The identifiers of a caller."""
        return frozenset(known.token_requestor_id for known in await self.all() if known.identity == identity)

    @while_using_keys
    async def register(self, requestor: Requestor) -> Requestor:
        """Register a requestor under the next free identifier; the same party and domain keep the one that they have.

        InvalidField where the party is no merchant.
        """
        if not is_name(requestor.identity) or role_of(requestor.identity) != MERCHANT:
            raise InvalidField("requestor.identity", "must be a merchant's: merchant, or a name that ends in -merchant")
        for _ in range(ATTEMPTS):
            known = await self.all()
            for other in known:
                if (other.identity, other.domain) == (requestor.identity, requestor.domain):
                    return other
            drawn = replace(requestor, token_requestor_id=f"{int(known[-1].token_requestor_id) + 1:011}")
            # Claimed only where nobody has it: whoever loses looks again, and so finds what the winner registered.
            if await self._claim(_REGISTERED, drawn.token_requestor_id, b"", _facts(drawn)):
                return drawn
        raise Unavailable("REGISTRY_CONTENDED", "others register requestors at this moment; ask again")

    async def webhook_of(self, token_requestor_id: str) -> Webhook | None:
        """Where the requestor's notifications are posted, or None for nowhere."""
        row: bytes | None = await self._store.command("HGET", _WEBHOOKS, token_requestor_id)
        return None if row is None else Webhook(*json.loads(self._unsealed(_WEBHOOKS, token_requestor_id, row)))

    @while_using_keys
    async def set_webhook(self, token_requestor_id: str, url: str, secret: str) -> bool:
        """Say where the requestor's notifications are posted; an empty address for nowhere. False if it is unknown."""
        if await self.find(token_requestor_id) is None:
            return False
        if url:
            sealed = self._sealed(_WEBHOOKS, token_requestor_id, json.dumps([url, secret]).encode())
            await self._store.command("HSET", _WEBHOOKS, token_requestor_id, sealed)
        else:
            await self._store.command("HDEL", _WEBHOOKS, token_requestor_id)
        return True

    async def reseal(self) -> None:
        """Bring every row under the present data key; to be done before the old one is destroyed."""
        for key in _SCHEMAS:
            rows: dict[bytes, bytes] = await self._store.command("HGETALL", key)
            for name, row in rows.items():
                await self._claim(key, name.decode(), row, self._unsealed(key, name.decode(), row))

    async def _look_again(self) -> None:
        """Forget what may not be so any more: a backup may have been put back since."""
        await self._keys.up_to_date()
        if self._opening != self._keys.openings:
            self._known, self._opening = dict(_BUILT_IN), self._keys.openings

    def _opened(self, token_requestor_id: str, row: bytes) -> Requestor:
        known = json.loads(self._unsealed(_REGISTERED, token_requestor_id, row))
        return Requestor(
            token_requestor_id,
            known["identity"],
            Domain(
                merchant_ids=frozenset(known["merchant_ids"]),
                merchant_domain=known["merchant_domain"],
                entry_modes=frozenset(map(EntryMode, known["entry_modes"])),
                cryptogram_required=known["cryptogram_required"],
                usage=Usage(known["usage"]),
            ),
            Location(known["location"]),
            known.get("merchant_country", MERCHANT_COUNTRY),
        )

    async def _claim(self, key: str, name: str, held: bytes, plaintext: bytes) -> bool:
        """Put a row in the place of what is `held`, empty for none. False if something else stands there now."""
        row = self._sealed(key, name, plaintext)
        return bool(await self._store.call("tsp_claim", [key], [name, held, row]) == row)

    def _sealed(self, key: str, name: str, plaintext: bytes) -> bytes:
        number, sealed = self._keys.seal(plaintext, _beside(key, name))
        return number.to_bytes(_NUMBER, "big") + sealed

    def _unsealed(self, key: str, name: str, row: bytes) -> bytes:
        return self._keys.unseal(int.from_bytes(row[:_NUMBER], "big"), row[_NUMBER:], _beside(key, name))


def _facts(requestor: Requestor) -> bytes:
    domain = requestor.domain
    facts = {
        "identity": requestor.identity,
        "merchant_ids": sorted(domain.merchant_ids),
        "merchant_domain": domain.merchant_domain,
        "entry_modes": sorted(domain.entry_modes),
        "cryptogram_required": domain.cryptogram_required,
        "usage": domain.usage,
        "location": requestor.location,
        "merchant_country": requestor.merchant_country,
    }
    return json.dumps(facts).encode()


def _beside(key: str, token_requestor_id: str) -> bytes:
    return _SCHEMAS[key] + token_requestor_id.encode()
