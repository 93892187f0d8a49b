"""The vault under races, crashes and those who write in its store."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from patience import STORE_TIMEOUT_S
from tsp_provider import DEBIT, KEK, PAN, START, Provider, keys_of, use

from cardnet.card import Expiry, Pan, luhn_digit
from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Env, FrozenClock, Rng
from cardnet.errors import Unavailable
from cardnet.store import Store
from cardnet.v1 import token_pb2
from services.tsp.app import LIBRARIES
from services.tsp.audit import AuditLog
from services.tsp.cards import Cards
from services.tsp.domain import Assurance, TokenRecord, TokenState, new_record
from services.tsp.keys import KeySet
from services.tsp.requestors import REQUESTORS
from services.tsp.vault import RedisVault


async def test_no_pan_and_no_token_is_in_the_store(tsp: Provider, strict: Any, admin: Store) -> None:
    asked = use(strict, (await tsp.request_cryptogram(strict)).cryptogram)
    await tsp.vault.Detokenise(asked)
    await tsp.recall(asked)
    found = b""
    for key in await keys_of(admin):
        kind = await admin.command("TYPE", key)
        value = await admin.command(*{b"string": ("GET", key), b"hash": ("HGETALL", key)}[kind])
        found += key + (value if isinstance(value, bytes) else b"".join(k + v for k, v in value.items()))
    assert b"record" in found
    for number in (PAN, strict.payment_token):
        packed = bytes.fromhex(number)
        for needle in (number.encode(), base64.b64encode(number.encode())[:20], number.encode().hex().encode(), packed):
            assert needle not in found


@pytest.mark.parametrize("field", ["version", "state", "key", "facts", "sealed", "salt"])
async def test_a_record_that_was_altered_is_not_believed(tsp: Provider, token: Any, admin: Store, field: str) -> None:
    (record,) = await keys_of(admin, "*:record")
    value = await admin.command("HGET", record, field)
    altered = bytes([value[0] ^ 1]) + value[1:]
    await admin.command("HSET", record, field, altered)
    with pytest.raises(Unavailable):
        await tsp.vault.Detokenise(use(token))


async def test_the_cards_of_two_tokens_cannot_be_swapped(tsp: Provider, token: Any, admin: Store) -> None:
    await tsp.request_token(DEBIT)
    one, other = await keys_of(admin, "*:record")
    ours, theirs = await admin.command("HGETALL", one), await admin.command("HGETALL", other)
    for key, fields in ((one, theirs), (other, ours)):
        await admin.command("HSET", key, *(part for field in fields.items() for part in field))
    with pytest.raises(Unavailable):
        await tsp.vault.Detokenise(use(token))


async def test_a_suspension_holds_against_all_that_are_paid_at_the_same_time(tsp: Provider, token: Any) -> None:
    async def pay() -> bool:
        return bool((await tsp.vault.Detokenise(use(token))).pan)

    early = [asyncio.create_task(pay()) for _ in range(16)]
    assert await tsp.change(token, token_pb2.TOKEN_STATE_SUSPENDED) == "00"
    late = await asyncio.gather(*(pay() for _ in range(16)))
    assert not any(late)
    await asyncio.gather(*early)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ([token_pb2.TOKEN_STATE_SUSPENDED], pb.REFUSAL_TOKEN_SUSPENDED),
        ([token_pb2.TOKEN_STATE_SUSPENDED, token_pb2.TOKEN_STATE_ACTIVE], pb.REFUSAL_UNSPECIFIED),
    ],
)
async def test_a_use_is_checked_again_if_the_token_was_changed_after_the_checks(
    tsp: Provider, token: Any, changes: list[int], refusal: int
) -> None:
    inner, outstanding = tsp.service.store, list(changes)
    call = inner.call

    async def call_after_changes(function: str, *rest: Any) -> Any:
        while function == "tsp_admit" and outstanding:
            await tsp.change(token, outstanding.pop(0))
        return await call(function, *rest)

    inner.call = call_after_changes  # type: ignore[method-assign]
    assert (await tsp.vault.Detokenise(use(token))).refusal == refusal
    assert not outstanding


class Dying(Store):
    """A store whose service dies at its n-th question, before the store acts or after."""

    def __init__(self, url: str, survives: int, acts: bool) -> None:
        super().__init__(url, *LIBRARIES, owner="tsp", timeout_s=STORE_TIMEOUT_S)
        self._left = survives
        self._acts = acts

    async def call(self, *asked: Any) -> Any:
        return await self._ask_or_die(super().call(*asked))

    async def command(self, *asked: Any) -> Any:
        return await self._ask_or_die(super().command(*asked))

    async def _ask_or_die(self, asking: Any) -> Any:
        if self._left == 0 and not self._acts:
            asking.close()
            raise Unavailable("DEAD", "dead")
        answer = await asking
        if self._left == 0:
            raise Unavailable("DEAD", "dead")
        self._left -= 1
        return answer


@pytest.fixture
async def living(store: EmbeddedStore, admin: Store) -> AsyncIterator[Store]:  # noqa: ARG001 - admin empties the store
    living = Store(store.url("tsp"), *LIBRARIES, owner="tsp", timeout_s=STORE_TIMEOUT_S)
    yield living
    await living.close()


async def vault_at(store: Store, living: Store, chance: str) -> RedisVault:
    """A vault on a store, its keys open: with `living`, which need not be the same."""
    clock = FrozenClock(START)
    keys = KeySet(living, clock)
    await keys.open(bytes.fromhex(KEK))
    env = Env(clock, Rng(chance), Rng("trace"))
    return RedisVault(store, keys, AuditLog("", keys, clock), Cards(store, keys, env.rng), env)


def record_of(pan: Pan, state: TokenState = TokenState.ACTIVE) -> TokenRecord:
    assurance = Assurance("10", "issuer account verification")
    return new_record(pan, REQUESTORS[0], state, par="SIMX" + "A" * 25, assurance=assurance, today=START.date())


@pytest.mark.parametrize("acts", [False, True], ids=["before", "after"])
async def test_a_crash_anywhere_while_issuing_leaves_nothing_usable_and_the_next_try_succeeds(
    store: EmbeddedStore, living: Store, admin: Store, acts: bool
) -> None:
    survives, dead = 0, True
    while dead:
        pan, expiry = Pan(card_number(survives)), Expiry(2030, 11)
        record = record_of(pan, TokenState.SUSPENDED)
        dying = Dying(store.url("tsp"), survives, acts)
        dead = False
        try:
            await (await vault_at(dying, living, f"one {survives}")).issue(f"{survives:032x}", pan, expiry, record)
        except Unavailable:
            dead = True
        await dying.close()
        state = await admin.command("HGET", f"tsp:{{{survives:032x}}}:record", "state")
        assert state in (None, b"PENDING", b"SUSPENDED")
        vault = await vault_at(living, living, f"two {survives}")
        if state != b"SUSPENDED":
            assert await vault.named(f"{survives:032x}") is None
        issued = await vault.issue(f"{survives + 10_000:032x}", pan, expiry, record)
        assert await vault.issue(f"{survives + 20_000:032x}", pan, expiry, record) == issued
        assert await vault.find(issued.token) == issued
        assert issued.record == record
        survives += 1
    assert survives > 5


async def test_of_thirty_two_issued_at_once_one_stays(living: Store, admin: Store) -> None:
    pan = Pan(PAN)
    vault = await vault_at(living, living, "race")
    record, expiry = record_of(pan), Expiry(2030, 11)
    entries = await asyncio.gather(*(vault.issue(f"{number:032x}", pan, expiry, record) for number in range(32)))
    assert entries == [entries[0]] * 32
    assert len(await keys_of(admin, "*:record")) == 1


async def test_a_token_that_is_taken_is_not_drawn_again(living: Store) -> None:
    tokens = set()
    for number in range(2):
        # The same chance twice draws the same token twice; the second time it is taken.
        vault, pan = await vault_at(living, living, "same"), Pan(card_number(number))
        tokens.add((await vault.issue(f"{number:032x}", pan, Expiry(2030, 11), record_of(pan))).token)
    assert len(tokens) == 2


def card_number(number: int) -> str:
    digits = f"99990000{number:07}"
    return digits + luhn_digit(digits)
