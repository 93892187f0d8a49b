"""Slots move from one node of a Redis Cluster to another while payments run: none fails, and no search misses a key."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from patience import STORE_TIMEOUT_S, patient
from redis_cluster import RedisCluster, Server
from waiting import until

from cardnet.cardholder import CardOnFile
from cardnet.embedded_store.server import find_server
from cardnet.errors import Unavailable
from cardnet.money import Money
from cardnet.steps import SERVICES
from cardnet.store import Store
from cardnet.store.slots import SLOTS, slot_of
from cardnet.testing import LocalNetwork, TestCard

PRICE = Money.parse("0.01 USD")


class Payer:
    """Pays again and again, and notes what came of it."""

    def __init__(self, network: LocalNetwork, card: TestCard, on_file: CardOnFile) -> None:
        self.network, self.card, self.on_file = network, card, on_file
        self.answers: list[str] = []
        self.stop = asyncio.Event()

    async def pay(self) -> None:
        while not self.stop.is_set():
            paid = await self.network.cardholder().pay(self.on_file.id, PRICE, f"pay{secrets.token_hex(8)}")
            self.answers.append(paid.response_code)

    async def has_paid(self, more: int) -> None:
        wanted = len(self.answers) + more

        async def enough() -> bool:
            return len(self.answers) >= wanted

        await until(enough, f"{more} more payments are answered")


@asynccontextmanager
async def paying(network: LocalNetwork) -> AsyncIterator[list[Payer]]:
    """Four who pay without a pause. In the end all of it was approved, and none of it is lost or there twice."""
    payers = []
    for _ in range(4):
        card = await network.open_account()
        payers.append(Payer(network, card, await network.save_card(card)))
    tasks = [asyncio.create_task(payer.pay()) for payer in payers]
    await asyncio.gather(*(payer.has_paid(2) for payer in payers))
    yield payers
    await asyncio.gather(*(payer.has_paid(2) for payer in payers))
    for payer in payers:
        payer.stop.set()
    await asyncio.gather(*tasks)
    for payer in payers:
        account = await network.account(payer.card)
        assert set(payer.answers) == {"00"}
        assert (account.holds, account.held_minor) == (len(payer.answers), len(payer.answers) * PRICE.minor)


@pytest.fixture
async def network(redis_cluster: RedisCluster) -> AsyncIterator[LocalNetwork]:
    urls = {name: redis_cluster.url(name) for name in SERVICES}
    async with LocalNetwork(in_process=True, redis_urls=urls, settings=patient()) as network:
        yield network


async def slots_in_use(cluster: RedisCluster) -> dict[str, int]:
    """One slot of every kind of thing that a payment touches."""
    keys = [key for some in (await cluster.keys()).values() for key in some]
    kinds = {
        "an account": b"issuer:{*}:account",
        "a token": b"tsp:{*}:history",
        "the shop's journal": b"merchant:{journal}:pending",
        "the acquirer's journal": b"acquirer:{journal}:number",
        "a card on file": b"merchant:{card:*}",
    }
    found: dict[str, int] = {}
    for kind, pattern in kinds.items():
        begin, _, end = pattern.partition(b"*")
        # The account that is paid from is one with transactions beside it.
        used = [key for key in keys if key.startswith(begin) and key.endswith(end)]
        if kind == "an account":
            paid = {key.partition(b"}")[0] for key in keys if b":transaction:" in key}
            used = [key for key in used if key.partition(b"}")[0] in paid]
        found[kind] = slot_of(used[0])
    return found


async def refusals(*servers: Server) -> int:
    """How often servers have sent somebody away, or told him to wait."""
    return sum([await server.refusals(code) for server in servers for code in ("ASK", "TRYAGAIN")])


async def test_a_slot_is_moved_key_by_key_while_payments_run_and_none_fails(
    redis_cluster: RedisCluster, network: LocalNetwork
) -> None:
    async with paying(network):
        for kind, slot in (await slots_in_use(redis_cluster)).items():
            source = await redis_cluster.master_of(slot)
            target = await redis_cluster.other_than(source)
            before, moved = await refusals(source, target), await source.refusals("MOVED")

            await redis_cluster.open_slot(slot, source, target)
            await redis_cluster.move_keys(slot, source, target)

            async def met(source: Server = source, target: Server = target, before: int = before) -> bool:
                return await refusals(source, target) > before

            await until(met, f"a payment comes to {kind}, which is being moved")
            await redis_cluster.close_slot(slot, target)

            async def followed(source: Server = source, moved: int = moved) -> bool:
                return await source.refusals("MOVED") > moved

            await until(followed, f"a payment follows {kind} to its new node")


async def test_many_slots_are_moved_at_once_as_valkey_does_and_no_payment_fails(
    redis_cluster: RedisCluster, network: LocalNetwork
) -> None:
    if find_server().path.name != "valkey-server":
        pytest.skip("needs Valkey 9: CLUSTER MIGRATESLOTS")
    async with paying(network):
        journal = slot_of("merchant:{journal}:pending")
        source = await redis_cluster.master_of(journal)
        target = await redis_cluster.other_than(source)
        first = await redis_cluster.first_of_range(journal)
        moved = await source.refusals("MOVED")
        await source.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", first, journal, "NODE", target.identifier)

        async def gone() -> bool:
            return await redis_cluster.master_of(journal) is target

        await until(gone, "all slots have moved")
    assert await source.refusals("MOVED") > moved
    assert await redis_cluster.master_of(first) is target


@pytest.fixture
async def vault(redis_cluster: RedisCluster) -> AsyncIterator[Store]:
    """The token service provider's store, with a thousand keys in it."""
    store = Store(redis_cluster.url("tsp"), owner="tsp", timeout_s=STORE_TIMEOUT_S)
    await store.open()
    await asyncio.gather(*(store.command("SET", f"tsp:{{{number}}}:record", number) for number in range(1_000)))
    yield store
    await store.close()


async def test_a_search_finds_what_moved_past_it(redis_cluster: RedisCluster, vault: Store) -> None:
    found: set[bytes] = set()
    moving: list[bytes] = []
    masters = sorted(await redis_cluster.masters(), key=lambda master: master.identifier)
    async for names in vault.names("tsp:*", 50):
        found.update(names)
        if not moving and set(names) & set(await masters[1].ask("KEYS", "*")):
            # The first node has been searched through: what comes there now from the last one was never seen.
            slot = slot_of(await masters[-1].ask("RANDOMKEY"))
            moving = await masters[-1].ask("CLUSTER", "GETKEYSINSLOT", slot, 100)
            await redis_cluster.move_slot(slot, masters[-1], masters[0])
    assert moving and set(moving) <= found
    assert len(found) == 1_000


async def test_there_is_no_search_while_a_slot_is_on_its_way(redis_cluster: RedisCluster, vault: Store) -> None:
    slot = slot_of("tsp:{1}:record")
    source = await redis_cluster.master_of(slot)
    target = await redis_cluster.other_than(source)
    await redis_cluster.open_slot(slot, source, target)
    with pytest.raises(Unavailable, match="is a cluster that is moving keys between its nodes") as fault:
        [names async for names in vault.names("tsp:*")]
    assert fault.value.reason == "STORE_UNAVAILABLE"
    await redis_cluster.move_keys(slot, source, target)
    await redis_cluster.close_slot(slot, target)
    assert len({name async for names in vault.names("tsp:*") for name in names}) == 1_000


async def test_a_question_waits_for_a_slot_that_is_on_its_way_but_not_for_ever(redis_cluster: RedisCluster) -> None:
    library = "function functions.both(keys, args) return redis.call('EXISTS', unpack(keys)) end"
    store = Store(redis_cluster.url("tsp"), library, owner="tsp", timeout_s=STORE_TIMEOUT_S)
    store._servers._timeout_s = 0.1  # for a slot that is on its way, and for nothing else
    slot, keys = slot_of("tsp:{1}:here"), ["tsp:{1}:here", "tsp:{1}:nowhere"]
    await until(store.ping, "it answers")
    await store.command("SET", keys[0], "1")
    source = await redis_cluster.master_of(slot)
    target = await redis_cluster.other_than(source)
    await redis_cluster.open_slot(slot, source, target)
    with pytest.raises(Unavailable, match="is moving this key to another node") as fault:
        await store.call("both", keys, [])
    assert fault.value.reason == "STORE_UNAVAILABLE"
    await redis_cluster.move_keys(slot, source, target)
    assert await store.command("GET", keys[0]) == b"1"  # asked of the target, which has not got the slot yet
    await redis_cluster.close_slot(slot, target)
    assert await store.call("both", keys, []) == 1
    await store.close()


def test_there_are_as_many_slots_as_redis_has() -> None:
    assert SLOTS == 16_384
