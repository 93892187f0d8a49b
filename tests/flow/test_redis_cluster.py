"""The network on a Redis Cluster: nobody notices, keys lie on every master, and none of them tells a number."""

import re
import shutil
from pathlib import Path

import pytest
from canary import found, store_contents
from patience import STORE_TIMEOUT_S, patient
from redis_cluster import HOST, MASTERS, RedisCluster
from whole_life import WholeLife

from cardnet.embedded_store.acl import ADMIN
from cardnet.errors import Unavailable
from cardnet.steps import SERVICES
from cardnet.store import Store
from cardnet.testing import LocalNetwork


def on_cluster(
    cluster: RedisCluster, services: tuple[str, ...], data: Path, *, in_process: bool = True
) -> LocalNetwork:
    urls = {name: cluster.url(name) for name in services}
    return LocalNetwork(in_process=True, data_dir=data, redis_urls=urls, settings=patient())


async def loot(cluster: RedisCluster) -> bytes:
    """All that is in the masters' memory and in the files of every node."""
    urls = [f"redis://{ADMIN}:{one.password}@{HOST}:{one.port}" for one in await cluster.masters()]
    files = [path for path in cluster.folder.rglob("*") if path.is_file() and path.suffix != ".acl"]
    return b"\n".join([await store_contents(url) for url in urls] + [path.read_bytes() for path in files])


async def live(network: LocalNetwork) -> WholeLife:
    life = WholeLife(network)
    await life.cards_and_tokens()
    await life.requestors()
    await life.rotations()
    await life.pays_on()
    return life


async def owners(cluster: RedisCluster) -> list[set[str]]:
    """Whose keys each master has."""
    return [{key.decode().split(":")[0] for key in keys} for keys in (await cluster.keys()).values()]


async def test_all_five_services_live_on_one_cluster_and_come_back_to_it(
    redis_cluster: RedisCluster, tmp_path: Path
) -> None:
    async with on_cluster(redis_cluster, SERVICES, tmp_path) as network:
        assert network.store is None
        life = await live(network)
        tokens = await life.listed()
        assert len(tokens) > len(life.tokens)
    everywhere = await owners(redis_cluster)
    assert len(everywhere) == MASTERS
    # Who has many records has some on every master. A journal is on one of them, and so may be a few cards on file.
    assert set.intersection(*everywhere) >= {"tsp", "issuer"}
    assert set.union(*everywhere) >= {"merchant", "acquirer", "tsp", "issuer"}

    async with on_cluster(redis_cluster, SERVICES, tmp_path) as again:
        assert await WholeLife(again).listed() == tokens
        for card, saved in life.paid_with:
            assert (await again.checkout(saved, "1.00 USD", key=f"again-{card.pan[-6:]}")).approved

    contents = await loot(redis_cluster)
    assert b":record" in contents and b":account" in contents
    assert not found(contents, life.needles(tokens=False))


async def test_vault_and_ledger_live_on_it_and_their_nodes_tell_neither_cards_nor_tokens(
    redis_cluster: RedisCluster, tmp_path: Path
) -> None:
    async with on_cluster(redis_cluster, ("tsp", "issuer"), tmp_path) as network:
        life = await live(network)
        assert await owners(redis_cluster) == [{"tsp", "issuer"}] * MASTERS
    contents = await loot(redis_cluster)
    assert b":record" in contents and b":account" in contents
    assert not found(contents, life.needles(tokens=True))


async def test_a_copy_of_the_vault_is_whole_and_goes_back(redis_cluster: RedisCluster, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir(mode=0o700)
    async with on_cluster(redis_cluster, ("tsp",), first) as network:
        life = WholeLife(network)
        await life.cards_and_tokens()
        copy, tokens = await life.backup(), await life.listed()
    await redis_cluster.empty()
    shutil.copy(first / "tsp.kek", second / "tsp.kek")

    async with on_cluster(redis_cluster, ("tsp",), second) as network:
        life = WholeLife(network)
        assert await life.listed() == set()
        await life.restore(copy)
        assert await life.listed() == tokens


async def test_a_user_sees_no_keys_of_another_on_any_node(redis_cluster: RedisCluster) -> None:
    issuer = Store(redis_cluster.url("issuer"), owner="issuer", timeout_s=STORE_TIMEOUT_S)
    await issuer.open()
    for number in range(30):
        with pytest.raises(Unavailable, match="has no right"):
            await issuer.command("GET", f"tsp:{{{number}}}:record")
    await issuer.close()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("redis+cluster://", "redis://"), "its URL must begin with redis+cluster:// or rediss+cluster://"),
        (("issuer:", "issuer:x"), "it does not know this user and password"),
    ],
)
async def test_a_wrong_url_is_told_what_is_wrong(
    redis_cluster: RedisCluster, change: tuple[str, str], sentence: str
) -> None:
    url = redis_cluster.url("issuer").replace(*change)
    store = Store(
        url if url.startswith("redis+cluster") else url.partition(",")[0], owner="issuer", timeout_s=STORE_TIMEOUT_S
    )
    with pytest.raises(Unavailable, match=re.escape(sentence)) as fault:
        for number in range(30):  # some of it belongs to other nodes
            await store.command("GET", f"issuer:{{{number}}}:account")
    assert fault.value.reason == "STORE_REFUSED"
    await store.close()
