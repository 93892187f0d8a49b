"""Every question to a store names keys of one slot: what holds with one server here would hold in a cluster."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from patience import patient
from web_life import buy, keep_a_wallet
from whole_life import WholeLife

from cardnet.store import Store
from cardnet.store.slots import slot_asked, slot_of
from cardnet.testing import LocalNetwork

ROOT = Path(__file__).parents[2]
RARE = {"journal_forget", "journal_give_up", "journal_keep", "tsp_withdraw_record"}
"""What only faults bring about. Every step of a journal names the same keys, and the last of these a single one."""


def functions() -> set[str]:
    """Every Lua function that there is."""
    sources = [path for folder in ("cardnet", "services") for path in (ROOT / folder).rglob("*.lua")]
    return {name for path in sources for name in re.findall(r"^function functions\.(\w+)", path.read_text(), re.M)}


class Questions:
    """What all stores of this process were asked."""

    def __init__(self) -> None:
        self.functions: set[str] = set()
        self.commands: set[str] = set()
        self.astray: set[str] = set()

    def call(self, function: str, keys: list[str]) -> None:
        self.functions.add(function)
        if len({slot_of(key) for key in keys}) != 1:
            self.astray.add(function)

    def command(self, *parts: Any) -> None:
        self.commands.add(parts[0])
        try:
            slot_asked(parts)
        except ValueError:
            self.astray.add(parts[0])


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Questions]:
    asked, call, command = Questions(), Store.call, Store.command

    async def noted_call(store: Store, function: str, keys: Any, args: Any) -> Any:
        asked.call(function, keys)
        return await call(store, function, keys, args)

    async def noted_command(store: Store, *parts: Any) -> Any:
        asked.command(*parts)
        return await command(store, *parts)

    monkeypatch.setattr(Store, "call", noted_call)
    monkeypatch.setattr(Store, "command", noted_command)
    yield asked


async def test_whatever_is_done_no_question_names_keys_of_two_slots(questions: Questions) -> None:
    async with LocalNetwork(in_process=True, fronts=True, web=True, settings=patient()) as network:
        life = WholeLife(network)
        await life.cards_and_tokens()
        await life.requestors()
        await life.rotations()
        assert await life.backup()
        assert await life.listed()
        await life.pays_on()
        await buy(network)
        await keep_a_wallet(network)

    assert questions.astray == set()
    assert questions.functions == functions() - RARE
    assert questions.commands >= {"GET", "SETNX", "HGETALL", "HSET", "DEL", "EXISTS", "SADD", "TYPE", "LRANGE"}
