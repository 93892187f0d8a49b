"""Who may do what in an embedded store: one user per service, who sees the keys under its own name and nothing else."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

ADMIN: Final = "ADMIN"
"""In capitals, which no service's name can have."""

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
    """The text of the server's `aclfile`, which holds digests only. passwords: of the services' users, by name."""
    admin = f"{_login(ADMIN, admin_password)} ~* &* +@all"
    return "\n".join(["user default off", admin, *map(_service, passwords, passwords.values()), ""])


def _service(user: str, password: str) -> str:
    if not _NAME.fullmatch(user) or user == "default":
        raise ValueError("a store user must be 1 to 32 of a-z, 0-9, _ and -, begin with a letter, and not be default")
    commands = f"{_SERVICE_COMMANDS} {_MORE.get(user, '')}".strip()
    return f"{_login(user, password)} ~{user}:* resetchannels -@all {commands}"


def _login(user: str, password: str) -> str:
    return f"user {user} on #{sha256(password.encode()).hexdigest()}"
