"""A Redis Cluster for the tests that want one. It takes seconds to form, so all tests of a process share it."""

from collections.abc import AsyncIterator

import pytest_asyncio
from redis_cluster import RedisCluster

from cardnet.steps import SERVICES


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_cluster() -> AsyncIterator[RedisCluster]:
    cluster = RedisCluster(SERVICES)
    try:
        await cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest_asyncio.fixture
async def redis_cluster(shared_cluster: RedisCluster) -> RedisCluster:
    """A cluster that is well and holds nothing."""
    await shared_cluster.heal()
    await shared_cluster.empty()
    return shared_cluster
