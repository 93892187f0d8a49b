"""Stores of the user's own: each service's by its URL, and a service that cannot reach its store says so."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from patience import STORE_TIMEOUT_S, patient

from cardnet.embedded_store import EmbeddedStore
from cardnet.steps import SERVICES
from cardnet.store import Store
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def vault() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ["tsp"]) as store:
        yield store


@pytest.fixture
def ledger() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ["issuer"]) as store:
        yield store


@pytest.fixture
def one_for_all() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, SERVICES) as store:
        yield store


async def owners_in(store: EmbeddedStore) -> set[str]:
    """The services whose keys are in a store."""
    admin = Store(store.admin_url, owner="test", timeout_s=STORE_TIMEOUT_S)
    keys = await admin.command("KEYS", "*")
    await admin.close()
    return {key.decode().split(":")[0] for key in keys}


async def test_vault_and_ledger_live_apart(vault: EmbeddedStore, ledger: EmbeddedStore) -> None:
    urls = {"tsp": vault.url("tsp"), "issuer": ledger.url("issuer")}
    async with LocalNetwork(in_process=True, redis_urls=urls, settings=patient()) as network:
        card = await network.save_card("approved")
        assert (await network.checkout(card, "12.40 USD")).approved

        assert network.store
        assert await owners_in(vault) == {"tsp"}
        assert await owners_in(ledger) == {"issuer"}
        assert await owners_in(network.store) == {"merchant", "acquirer"}


async def test_nothing_is_embedded_where_every_service_has_a_store(one_for_all: EmbeddedStore) -> None:
    urls = {name: one_for_all.url(name) for name in SERVICES}
    async with LocalNetwork(in_process=True, redis_urls=urls, settings=patient()) as network:
        assert network.store is None
        card = await network.save_card("approved")
        assert (await network.checkout(card, "12.40 USD")).approved
    assert await owners_in(one_for_all) >= {"merchant", "acquirer", "tsp", "issuer"}


@pytest_asyncio.fixture(loop_scope="module")
async def fronted() -> AsyncIterator[LocalNetwork]:
    async with LocalNetwork(in_process=True, fronts=True, settings=patient()) as network:
        yield network


async def test_a_service_without_its_store_is_not_serving_until_it_is_back(fronted: LocalNetwork) -> None:
    assert fronted.store
    assert await health_of(fronted) == dict.fromkeys(SERVICES, HealthCheckResponse.SERVING)

    fronted.store.kill()
    assert await health_of(fronted) == dict.fromkeys(SERVICES, HealthCheckResponse.NOT_SERVING)

    fronted.store.restart()
    assert await health_of(fronted) == dict.fromkeys(SERVICES, HealthCheckResponse.SERVING)


async def health_of(network: LocalNetwork) -> dict[str, int]:
    found = {}
    for name in SERVICES:
        async with network.grpc_channel(name) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            found[name] = (await stub.Check(health_pb2.HealthCheckRequest(), timeout=25)).status
    return found
