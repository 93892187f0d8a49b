"""Who may do what in a store: one user per service, who sees the keys under its own name and nothing else.

The embedded store is set up so, and those in containers (`cardnet store-users`).
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

ADMIN: Final = "ADMIN"
"""In capitals, which no service's name can have."""

HEALTH: Final = "HEALTH"
"""May ask whether the store answers, and nothing else; so it needs no password."""

_DEFAULT: Final = "user default off resetpass ~* &* +@all"
"""Off, so nobody can be it. It keeps its rights nevertheless, for it is as this user that a Redis reads its append-only
file: what a script wrote is dropped in silence if it might not write that (redis/redis issue 14541, seen with 8.0).
"""

_SERVICE_COMMANDS: Final = (
    "+ping +hello +auth +select +evalsha +script|load "
    "+get +set +setnx +incr +del +exists "
    "+hget +hset +hdel +hmget +hgetall +hincrby +hexists "
    "+zadd +zrem +zrangebyscore "
    "+sadd +srem +smembers +rpush +lrange +llen "
    "+cluster|slots +asking"
)
"""All that a service sends or its Lua functions call: Redis checks both against the same list.

The last two are for a cluster: who serves which slot, and to follow a key that is being moved.
"""

_MORE: Final = {"tsp": "+scan +type +rpush +lrange +zrange +cluster|nodes"}
"""What one service needs besides: to rotate its keys, and to copy its vault. SCAN shows the names of others' keys.
CLUSTER NODES shows, in a cluster, whether a search can have missed a key that was being moved."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def acl_text(passwords: Mapping[str, str], admin_password: str) -> str:
    """The text of an embedded server's `aclfile`, which holds digests only. passwords: of the services, by name."""
    admin = f"{_login(ADMIN, admin_password)} ~* &* +@all"
    return "\n".join([_DEFAULT, admin, *map(_service, passwords, passwords.values()), ""])


def acl_text_without_admin(passwords: Mapping[str, str]) -> str:
    """The same for a server that stands by itself: nobody may configure or dump it, and a health check may PING."""
    health = f"user {HEALTH} on nopass resetkeys resetchannels -@all +ping"
    return "\n".join([_DEFAULT, health, *map(_service, passwords, passwords.values()), ""])


def _service(user: str, password: str) -> str:
    if not _NAME.fullmatch(user) or user == "default":
        raise ValueError("a store user must be 1 to 32 of a-z, 0-9, _ and -, begin with a letter, and not be default")
    commands = f"{_SERVICE_COMMANDS} {_MORE.get(user, '')}".strip()
    return f"{_login(user, password)} ~{user}:* resetchannels -@all {commands}"


def _login(user: str, password: str) -> str:
    return f"user {user} on #{sha256(password.encode()).hexdigest()}"
