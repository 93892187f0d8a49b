"""Sowing a vault, and what that takes in its store."""

import asyncio

from bench.vault.figures import Stored
from bench.vault.house import House
from bench.vault.seed import entry_of, sow

_LOOK_S = 0.5


async def sown(house: House, numbers: range) -> Stored:
    """Sow tokens, and tell what they take. The store writes to disk at its leisure meanwhile, and has done so then."""
    await house.set_store("appendfsync", "no")
    before = await house.store_says("memory", "used_memory")
    await sow(house.server.url("tsp"), house.keys, numbers)
    used = await house.store_says("memory", "used_memory") - before
    await house.set_store("appendfsync", "always")
    while await house.store_says("persistence", "aof_rewrite_in_progress"):  # noqa: ASYNC110 - the store tells nobody
        await asyncio.sleep(_LOOK_S)
    return Stored(len(numbers), used, await _keys_of(house, numbers[0]))


async def _keys_of(house: House, number: int) -> dict[str, int]:
    """What each key of a token takes, in bytes."""
    entry = entry_of(number)
    assert entry.pan is not None
    keys = {
        "record": f"tsp:{{{entry.reference}}}:record",
        "index": f"tsp:{{{house.keys.names_of_token(entry.token)[0]}}}:index",
        "card": f"tsp:{{{house.keys.names_of_pan(entry.pan)[0]}}}:card",
    }
    return {name: await house.memory_of(key) for name, key in keys.items()}
