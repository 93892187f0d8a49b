"""Where a key is in a Redis Cluster: the slot that it belongs to, and which keys a command names."""

from binascii import crc_hqx
from collections.abc import Sequence
from typing import Final

from cardnet.store.wire import Command

SLOTS: Final = 16_384

_FIRST_ALONE: Final = frozenset(
    ("GET", "SET", "SETNX", "INCR", "TYPE", "SADD", "SREM", "SMEMBERS", "RPUSH", "LRANGE", "LLEN")
    + ("HGET", "HSET", "HDEL", "HMGET", "HGETALL", "HINCRBY", "HEXISTS", "ZADD", "ZREM", "ZRANGE", "ZRANGEBYSCORE")
)
"""Commands that name one key, in the first place."""

_ALL: Final = frozenset({"DEL", "EXISTS"})
"""Commands that name keys and nothing else."""


def slot_of(key: str | bytes | int) -> int:
    """The slot of a key: of what stands between its first { and the next }, if anything does, else of the whole key."""
    name = key if isinstance(key, bytes) else str(key).encode()
    _, opened, rest = name.partition(b"{")
    tag, closed, _ = rest.partition(b"}")
    return crc_hqx(tag if opened and closed and tag else name, 0) % SLOTS


def slot_asked(command: Command) -> int:
    """The one slot of all keys that a command names.

    ValueError, which quotes no key, where it names none or several slots': then our own code is wrong, in a cluster and
    anywhere.
    """
    keys = _keys(command)
    slots = {slot_of(key) for key in keys}
    if len(slots) > 1:
        raise ValueError("the keys of one question to the store must lie in one slot: let them share a hash tag")
    if not slots:
        raise ValueError("a question to a cluster must name a key, which says who is asked")
    return slots.pop()


def _keys(command: Command) -> Sequence[str | bytes | int]:
    name = command[0]
    if name == "EVALSHA":
        return command[3 : 3 + int(command[2])]
    if name in _FIRST_ALONE:
        return command[1:2]
    return command[1:] if name in _ALL else ()
