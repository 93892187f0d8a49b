"""An issuer with a real store."""

import pytest
from issuer_bank import Bank

from cardnet.embedded_store import EmbeddedStore


@pytest.fixture(scope="module")
def store():
    with EmbeddedStore.start(None, ["issuer"]) as running:
        yield running


@pytest.fixture
async def bank(store):
    async with Bank(store) as running:
        yield running
