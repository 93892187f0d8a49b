"""In which slot a key is, by the examples of the Redis Cluster specification, and which keys a command names."""

import pytest

from cardnet.embedded_store import acl
from cardnet.store.slots import slot_asked, slot_of


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        ("123456789", 0x31C3),  # the specification's check value, below 16384 by itself
        ("foo", 12182),
        ("", 0),
        ("{user1000}.following", slot_of("user1000")),
        ("foo{}{bar}", 8363),  # nothing between the first braces: the whole key counts
        ("foo{{bar}}zap", slot_of("{bar")),
        ("foo{bar}{zap}", slot_of("bar")),
        ("foo{bar", slot_of(b"foo{bar")),
        ("}foo{bar}", slot_of("bar")),
        ("ä", slot_of("ä".encode())),
    ],
)
def test_the_slot_of_a_key(key: str, slot: int) -> None:
    assert slot_of(key) == slot


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "{a}1"),
        ("HSET", "{a}1", "{b}", "{c}"),
        ("DEL", "{a}1", "{a}2"),
        ("EVALSHA", "digest", 2, "{a}1", "{a}2", "function", "{b}"),
    ],
)
def test_a_command_goes_where_its_keys_are(command: tuple[str, ...]) -> None:
    assert slot_asked(command) == slot_of("a")


@pytest.mark.parametrize(
    "command",
    [
        ("EVALSHA", "digest", 2, "{secret}1", "{b}2", "function"),
        ("DEL", "{secret}1", "{b}2"),
        ("EVALSHA", "digest", 0, "function", "secret"),
        ("PING",),
        ("KEYS", "secret*"),
    ],
)
def test_one_without_a_key_or_with_keys_apart_is_our_own_mistake_and_not_quoted(command: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="question") as mistake:
        slot_asked(command)
    assert "secret" not in str(mistake.value)


def test_every_command_that_a_service_may_send_is_known() -> None:
    allowed = " ".join((acl._SERVICE_COMMANDS, *acl._MORE.values())).upper().replace("+", "").split()
    without_key = {"PING", "HELLO", "AUTH", "SELECT", "SCRIPT|LOAD", "SCAN", "ASKING", "CLUSTER|SLOTS", "CLUSTER|NODES"}
    for command in set(allowed) - without_key - {"EVALSHA"}:
        assert slot_asked((command, "{a}1")) == slot_of("a"), command
