"""Somebody who can write in the vault's store: swaps, flips and moves whatever is there, and puts it back."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from cardnet.store import Store

Fields = dict[bytes, bytes]
Held = Fields | bytes


class Victim(NamedTuple):
    """A token, and what the store has of it."""

    token: Any
    pan: str
    """Empty where it must not be told: the token is suspended or deleted."""
    trid: str
    record: str
    index: str
    card: str
    former: tuple[Fields, ...]
    """Its record as it was before each of its changes."""


class Meddler:
    """Alters things as chance will have it. Nothing is written before `write`."""

    def __init__(self, store: Store, victims: list[Victim], seed: str) -> None:
        self._store = store
        self._victims = victims
        self._chance = Random(seed)
        self._held: dict[str, Held] = {}
        self._altered: dict[str, Held] = {}

    async def look(self) -> None:
        """See what is there, to put it back."""
        for victim in self._victims:
            for key in (victim.record, victim.card):
                self._held[key] = await self._store.command("HGETALL", key)
            self._held[victim.index] = await self._store.command("GET", victim.index)

    def pairs(self) -> list[tuple[Victim, Victim]]:
        """All victims, two by two."""
        shuffled = self._chance.sample(self._victims, len(self._victims))
        return list(zip(shuffled[::2], shuffled[1::2], strict=True))

    def chooses(self, ways: Any) -> Any:
        return self._chance.choice(ways)

    def flip(self, value: bytes) -> bytes:
        """The same with one bit another."""
        flipped = bytearray(value or b"\0")
        bit = self._chance.randrange(8 * len(flipped))
        flipped[bit // 8] ^= 1 << bit % 8
        return bytes(flipped)

    def fields(self, key: str) -> Fields:
        """What a hash holds."""
        held = self._held[key]
        assert isinstance(held, dict)
        return dict(held)

    def value(self, key: str) -> bytes:
        """What a string holds."""
        held = self._held[key]
        assert isinstance(held, bytes)
        return held

    def put(self, key: str, value: Held) -> None:
        self._altered[key] = value

    def touched(self, victim: Victim) -> bool:
        """Whether anything of a token was altered, or written anew."""
        return not self._altered.keys().isdisjoint((victim.record, victim.index, victim.card))

    def altered(self, key: str) -> bool:
        """Whether a record is another one than it was, but for which key it says to be under."""
        held, now = self._held[key], self._altered.get(key)
        if not (isinstance(held, dict) and isinstance(now, dict)):
            return False
        return any(now.get(name) != held[name] for name in held if name != b"key")

    async def write(self) -> None:
        """Write down what was altered."""
        await self._set(self._altered)

    async def put_back(self) -> None:
        """Have everything as it was."""
        await self._set({key: self._held[key] for key in self._altered})
        self._altered.clear()

    async def _set(self, values: dict[str, Held]) -> None:
        commands: list[tuple[Any, ...]] = []
        for key, value in values.items():
            commands.append(("DEL", key))
            if isinstance(value, bytes):
                commands.append(("SET", key, value))
            elif value:
                commands.append(("HSET", key, *(part for field in value.items() for part in field)))
        await asyncio.gather(*(self._store.command(*command) for command in commands))


Way = Callable[[Meddler, Victim, Victim], None]


def swap_records(by: Meddler, one: Victim, other: Victim) -> None:
    by.put(one.record, by.fields(other.record))
    by.put(other.record, by.fields(one.record))


def swap_a_field(by: Meddler, one: Victim, other: Victim) -> None:
    ours, theirs = by.fields(one.record), by.fields(other.record)
    name = by.chooses(sorted(ours))
    by.put(one.record, ours | {name: theirs[name]})
    by.put(other.record, theirs | {name: ours[name]})


def swap_all_but_a_field(by: Meddler, one: Victim, other: Victim) -> None:
    ours, theirs = by.fields(one.record), by.fields(other.record)
    name = by.chooses(sorted(ours))
    by.put(one.record, theirs | {name: ours[name]})


def move_a_field(by: Meddler, one: Victim, other: Victim) -> None:
    ours = by.fields(one.record)
    taken_from, place = by.fields(by.chooses([one, other]).record), by.chooses(sorted(ours))
    by.put(one.record, ours | {place: taken_from[by.chooses(sorted(taken_from))]})


def flip_a_field(by: Meddler, one: Victim, _: Victim) -> None:
    ours = by.fields(one.record)
    name = by.chooses(sorted(ours))
    by.put(one.record, ours | {name: by.flip(ours[name])})


def drop_a_field(by: Meddler, one: Victim, _: Victim) -> None:
    ours = by.fields(one.record)
    del ours[by.chooses(sorted(ours))]
    by.put(one.record, ours)


def cut_a_field(by: Meddler, one: Victim, _: Victim) -> None:
    ours = by.fields(one.record)
    name = by.chooses(sorted(ours))
    by.put(one.record, ours | {name: by.chooses([ours[name][:-1], ours[name][1:], ours[name] * 2])})


def roll_back(by: Meddler, one: Victim, other: Victim) -> None:
    for victim in (one, other):
        if victim.former:
            by.put(victim.record, by.chooses(victim.former))


def swap_indexes(by: Meddler, one: Victim, other: Victim) -> None:
    by.put(one.index, by.value(other.index))
    by.put(other.index, by.value(one.index))


def lead_astray(by: Meddler, one: Victim, other: Victim) -> None:
    by.put(one.index, by.value(other.index))


def flip_an_index(by: Meddler, one: Victim, _: Victim) -> None:
    by.put(one.index, by.flip(by.value(one.index)))


def swap_records_and_indexes(by: Meddler, one: Victim, other: Victim) -> None:
    swap_indexes(by, one, other)
    swap_records(by, one, other)


def swap_cards(by: Meddler, one: Victim, other: Victim) -> None:
    by.put(one.card, by.fields(other.card))
    by.put(other.card, by.fields(one.card))


def flip_in_a_card(by: Meddler, one: Victim, _: Victim) -> None:
    ours = by.fields(one.card)
    name = by.chooses(sorted(ours))
    by.put(one.card, ours | {name: by.flip(ours[name])})


def move_in_a_card(by: Meddler, one: Victim, other: Victim) -> None:
    ours = by.fields(one.card)
    taken_from = by.fields(by.chooses([one, other]).card)
    by.put(one.card, ours | {by.chooses(sorted(ours)): taken_from[by.chooses(sorted(taken_from))]})


IN_CARDS: list[Way] = [swap_cards, flip_in_a_card, move_in_a_card]
WAYS: list[Way] = [
    *(swap_records, swap_a_field, swap_all_but_a_field, move_a_field),
    *(flip_a_field, flip_a_field, drop_a_field, cut_a_field, roll_back),
    *(swap_indexes, lead_astray, flip_an_index, swap_records_and_indexes),
    *IN_CARDS,
]
