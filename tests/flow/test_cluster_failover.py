"""A master of a Redis Cluster dies and its replica takes its place: the network comes back, and the money adds up.

The test sees to it that the replica has everything before the master dies. In general it need not: replication is
asynchronous, and what it had not got is lost (docs/scaling.md).
"""

from collections.abc import AsyncIterator, Callable

import pytest
from patience import STORE_TIMEOUT_S, patient
from redis_cluster import RedisCluster, Server
from shopper import Shopper, new_shopper
from waiting import until

from cardnet.errors import Fault, Unavailable
from cardnet.store import Store
from cardnet.testing import LocalNetwork


@pytest.fixture
async def network(redis_cluster: RedisCluster) -> AsyncIterator[LocalNetwork]:
    """Vault and ledger are on the cluster."""
    urls = {name: redis_cluster.url(name) for name in ("tsp", "issuer")}
    async with LocalNetwork(in_process=True, redis_urls=urls, settings=patient()) as network:
        yield network


async def keeper_of(cluster: RedisCluster, pattern: str) -> Server:
    """The one master that has keys of this pattern."""
    keepers = [port for port, keys in (await cluster.keys(pattern)).items() if keys]
    (keeper,) = [server for server in cluster.servers if [server.port] == keepers]
    return keeper


async def replicated(master: Server, replica: Server) -> None:
    async def level() -> bool:
        theirs = int((await replica.info("replication"))["slave_repl_offset"])
        return theirs >= int((await master.info("replication"))["master_repl_offset"])

    await until(level, "the replica has all that its master has")


def approved(answer: object) -> bool:
    return not isinstance(answer, Fault) and answer.approved  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("pattern", "end"), [("issuer:{*}:transaction:*", Server.kill), ("tsp:{*}:history", Server.pause)]
)
async def test_after_a_master_died_and_its_replica_was_promoted_all_is_as_it_was(
    redis_cluster: RedisCluster, network: LocalNetwork, pattern: str, end: Callable[[Server], None]
) -> None:
    shopper: Shopper = await new_shopper(network)
    assert approved(await shopper.pay("before"))
    await shopper.stands(1)
    master = await keeper_of(redis_cluster, pattern)
    replica = await redis_cluster.replica_of(master)
    await replicated(master, replica)

    end(master)
    assert not approved(await shopper.pay("meanwhile"))
    await replica.ask("CLUSTER", "FAILOVER", "TAKEOVER")

    await shopper.stands(1)
    keys = 0

    async def pays() -> bool:
        nonlocal keys
        keys += 1
        return approved(await shopper.pay(f"after-{keys}"))

    await until(pays, "a payment is approved again")
    await shopper.stands(2)
    assert approved(await shopper.pay("before"))  # a repeat gets the answer that it had
    await shopper.stands(2)

    await redis_cluster.heal()  # who was away is a replica now
    assert await redis_cluster.replica_of(replica) is master


async def test_a_store_says_that_it_is_not_well_until_every_master_answers(redis_cluster: RedisCluster) -> None:
    store = Store(redis_cluster.url("issuer"), owner="issuer", timeout_s=STORE_TIMEOUT_S)
    await store.open()
    assert await store.ping()
    master, *others = await redis_cluster.masters()
    replica = await redis_cluster.replica_of(master)

    master.kill()
    assert not await store.ping()
    late = Store(redis_cluster.url("issuer"), owner="issuer", timeout_s=STORE_TIMEOUT_S)
    with pytest.raises(Unavailable) as fault:
        await late.open()
    assert fault.value.reason == "STORE_UNAVAILABLE"
    await late.close()

    await replica.ask("CLUSTER", "FAILOVER", "TAKEOVER")
    await until(store.ping, "every master answers")
    await redis_cluster.heal()
    assert await store.ping()
    await store.close()
