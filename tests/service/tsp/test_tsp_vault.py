"""The vault under races, crashes and those who write in its store."""

import asyncio
import base64
from typing import Any

import pytest
from tsp_provider import DEBIT, PAN, START, WITH_CRYPTOGRAM, Provider, keys_of, use

from cardnet.card import Expiry, Pan
from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Rng
from cardnet.errors import Unavailable
from cardnet.store import Store
from cardnet.v1 import token_service_pb2
from services.tsp.domain import TokenState, new_record, token_number
from services.tsp.keys import open_keys
from services.tsp.requestors import REQUESTORS
from services.tsp.vault import LIBRARY, RedisVault


async def test_no_pan_and_no_token_is_in_the_store(tsp: Provider, strict: Any, admin: Store) -> None:
    asked = use(strict, (await tsp.request_cryptogram(strict)).cryptogram)
    await tsp.vault.Detokenise(asked)
    await tsp.recall(asked)
    found = b""
    for key in await keys_of(admin):
        kind = await admin.command("TYPE", key)
        value = await admin.command("GET" if kind == b"string" else "HGETALL", key)
        found += key + (value if isinstance(value, bytes) else b"".join(k + v for k, v in value.items()))
    assert b"record" in found
    for number in (PAN, strict.payment_token):
        packed = bytes.fromhex(number)
        for needle in (number.encode(), base64.b64encode(number.encode())[:20], number.encode().hex().encode(), packed):
            assert needle not in found


@pytest.mark.parametrize("field", ["version", "state", "key_id", "facts", "sealed"])
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
    assert await tsp.change(token, pb.TOKEN_STATE_SUSPENDED) == "00"
    late = await asyncio.gather(*(pay() for _ in range(16)))
    assert not any(late)
    await asyncio.gather(*early)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ([pb.TOKEN_STATE_SUSPENDED], pb.REFUSAL_TOKEN_SUSPENDED),
        ([pb.TOKEN_STATE_SUSPENDED, pb.TOKEN_STATE_ACTIVE], pb.REFUSAL_UNSPECIFIED),
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
        super().__init__(url, LIBRARY, owner="tsp")
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


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("survives", range(5))
async def test_a_crash_while_issuing_leaves_nothing_usable_and_the_next_try_succeeds(
    store: EmbeddedStore, admin: Store, survives: int, acts: bool
) -> None:
    keys = open_keys("", "")
    pan, expiry = Pan(PAN), Expiry(2030, 11)
    record = new_record(
        pan, REQUESTORS[0], TokenState.SUSPENDED, par="SIMX", token_reference_id="0", today=START.date()
    )
    dying = Dying(store.url("tsp"), survives, acts)
    with pytest.raises(Unavailable):
        await RedisVault(dying, keys, Rng("one")).issue(pan, expiry, record)
    await dying.close()
    states = [await admin.command("HGET", key, "state") for key in await keys_of(admin, "*:record")]
    assert set(states) <= ({b"SUSPENDED"} if (survives, acts) == (4, True) else {b"PENDING"})

    living = Store(store.url("tsp"), LIBRARY, owner="tsp")
    vault = RedisVault(living, keys, Rng("two"))
    if states == [b"PENDING"]:
        assert await vault.find(token_number(pan.range, Rng("one").digits(19))) is None
    issued = await vault.issue(pan, expiry, record)
    assert await vault.issue(pan, expiry, record) == issued
    assert await vault.find(issued.token) == issued
    assert issued.record == record
    await living.close()


async def test_of_thirty_two_issued_at_once_one_stays(store: EmbeddedStore, admin: Store) -> None:
    living, pan = Store(store.url("tsp"), LIBRARY, owner="tsp"), Pan(PAN)
    vault = RedisVault(living, open_keys("", ""), Rng("race"))
    record = new_record(pan, REQUESTORS[0], TokenState.ACTIVE, par="SIMX", token_reference_id="0", today=START.date())
    entries = await asyncio.gather(*(vault.issue(pan, Expiry(2030, 11), record) for _ in range(32)))
    assert entries == [entries[0]] * 32
    assert len(await keys_of(admin, "*:record")) == 1
    await living.close()


async def test_a_token_that_is_taken_is_not_drawn_again(store: EmbeddedStore, admin: Store) -> None:
    keys, living = open_keys("", ""), Store(store.url("tsp"), LIBRARY, owner="tsp")
    tokens = set()
    for pan in (PAN, "9999000000000111"):
        # The same chance twice draws the same token twice; the second time it is taken.
        vault, card = RedisVault(living, keys, Rng("same")), Pan(pan)
        record = new_record(
            card, REQUESTORS[0], TokenState.ACTIVE, par="SIMX", token_reference_id="0", today=START.date()
        )
        tokens.add((await vault.issue(card, Expiry(2030, 11), record)).token)
    assert len(tokens) == 2
    await living.close()


async def test_keys_from_a_file_outlive_the_process(store: EmbeddedStore, admin: Store, tmp_path: Any) -> None:
    file = str(tmp_path / "keys.json")
    before = Provider(store, keys_file=file, cryptogram_key="")
    await before.service.start()
    strict = await before.request_token(trid=WITH_CRYPTOGRAM)
    made = (await before.request_cryptogram(strict)).cryptogram
    blob = await before.encrypted(PAN)
    await before.service.stop()

    after = Provider(store, keys_file=file, cryptogram_key="")
    await after.service.start()
    assert (await after.vault.Detokenise(use(strict, made))).pan == PAN
    request = token_service_pb2.RequestTokenRequest(token_requestor_id=WITH_CRYPTOGRAM, encrypted_card=blob)
    assert (await after.requestor.RequestToken(request)).payment_token == strict.payment_token
    await after.service.stop()
