"""The token service provider's keys at rest and in use: what is wrapped, what is refused, what never shows itself."""

import asyncio
import hashlib
import hmac
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardnet.config import SettingMissing
from services.tsp.kek import KekFile, kek_provider
from services.tsp.keyed import KeyedHash
from services.tsp.keyring import (
    LENGTHS,
    KeyState,
    Purpose,
    VaultShut,
    WrongKek,
    new_keyring,
    new_secret,
    unwrapped,
    wrapped,
)

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
KEK, OTHER = bytes(range(32)), bytes(range(1, 33))


def key_of(provider: object) -> bytes:
    assert provider is not None
    return asyncio.run(provider.key())  # type: ignore[attr-defined]


@given(st.binary(max_size=64), st.binary(max_size=300))
def test_our_hmac_is_the_librarys(key: bytes, message: bytes) -> None:
    expected = hmac.digest(key, message, hashlib.sha256)
    assert KeyedHash(key).digest(message) == expected
    assert KeyedHash(key).name(message) == expected[:16].hex()


def test_a_keyring_comes_back_as_it_was_wrapped() -> None:
    ring = new_keyring(NOW).with_prepared(Purpose.DATA, new_secret(Purpose.DATA), NOW)
    assert unwrapped(wrapped(ring, KEK), KEK) == ring
    assert {key.purpose: len(key.secret) for key in new_keyring(NOW).keys} == {Purpose.ENCRYPTION: 0, **LENGTHS}


def test_no_key_is_in_what_is_kept_nor_in_what_is_printed() -> None:
    ring = new_keyring(NOW)
    kept = wrapped(ring, KEK)
    for secret in (KEK, *(key.secret for key in ring.keys if key.secret)):
        assert secret not in kept
        assert secret.hex().encode() not in kept
        assert secret.hex() not in repr(ring)
        assert repr(secret) not in repr(ring)


def test_another_key_encryption_key_is_told_from_a_damaged_keyring() -> None:
    kept = wrapped(new_keyring(NOW), KEK)
    with pytest.raises(WrongKek):
        unwrapped(kept, OTHER)
    for damaged in (b"", b"{}", b"[]\n", kept[:-1], kept + b"0"):
        with pytest.raises(VaultShut, match="restore") as shut:
            unwrapped(damaged, KEK)
        assert not isinstance(shut.value, WrongKek)


@pytest.mark.parametrize("field", ["number", "state", "purpose", "created_at", "since_ms", "settled", "wrapped"])
def test_nothing_beside_a_wrapped_key_can_be_altered(field: str) -> None:
    body, _, mac = wrapped(new_keyring(NOW), KEK).partition(b"\n")
    document = json.loads(body)
    one, other = document["keys"][1], document["keys"][2]
    one[field] = {"number": 2, "state": "READING", "since_ms": 0, "settled": True}.get(field, other[field])
    if field == "created_at":
        one[field] = "2020-01-01T00:00:00Z"
    with pytest.raises(VaultShut):
        unwrapped(json.dumps(document, separators=(",", ":")).encode() + b"\n" + mac, KEK)


def test_a_key_goes_its_way_and_leaves_no_bytes() -> None:
    ring = new_keyring(NOW).with_prepared(Purpose.DATA, b"new" * 10, NOW)
    assert [key.number for key in ring.of(Purpose.DATA)] == [1, 2]
    ring = ring.with_promoted(Purpose.DATA, NOW)
    assert [(key.number, key.state) for key in ring.of(Purpose.DATA)] == [(2, KeyState.PRIMARY), (1, KeyState.READING)]
    assert ring.with_promoted(Purpose.DATA, NOW) is ring  # with none prepared there is still a primary
    ring = ring.with_destroyed(ring.in_state(Purpose.DATA, KeyState.READING), NOW)
    (gone,) = ring.in_state(Purpose.DATA, KeyState.DESTROYED)
    assert (gone.number, gone.secret, gone.created_at) == (1, b"", "2026-11-22T09:00:00Z")
    assert [key.number for key in ring.of(Purpose.DATA)] == [2]


def test_the_key_encryption_key_comes_from_a_setting() -> None:
    assert key_of(kek_provider(KEK.hex(), "", False, "")) == KEK
    assert kek_provider("", "", False, "") is None


@pytest.mark.parametrize("text", ["00", "g" * 64, "0" * 65, "0" * 64 + "\n"])
def test_a_setting_that_is_no_key_is_not_taken(text: str) -> None:
    with pytest.raises(SettingMissing, match="64 hexadecimal digits"):
        kek_provider(text, "", False, "")


def test_of_several_sources_none_is_guessed() -> None:
    with pytest.raises(SettingMissing, match="only one of"):
        kek_provider(KEK.hex(), "/file", False, "")


def test_those_who_start_together_make_one_file(tmp_path: Path) -> None:
    file = tmp_path / "tsp.kek"
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: kek_provider("", str(file), True, ""), range(8)))
    assert len({key_of(provider) for provider in made}) == 1
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_is_not_there_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(SettingMissing, match="KEK_FILE_CREATE"):
        kek_provider("", str(tmp_path / "tsp.kek"), False, "")
    assert not list(tmp_path.iterdir())
    with pytest.raises(SettingMissing, match="no folder"):
        kek_provider("", str(tmp_path / "no" / "tsp.kek"), True, "")


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32])
def test_a_file_that_holds_no_key_is_not_taken(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tsp.kek"
    file.touch(mode=0o600)
    file.write_text(text)
    with pytest.raises(SettingMissing, match="64 hexadecimal digits"):
        kek_provider("", str(file), True, "")


def test_a_file_that_others_can_read_is_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "tsp.kek"
    kek_provider("", str(file), True, "")
    file.chmod(0o640)
    with pytest.raises(SettingMissing, match="chmod 600"):
        kek_provider("", str(file), True, "")


def test_a_new_key_stands_beside_the_file_before_it_takes_its_place(tmp_path: Path) -> None:
    file = tmp_path / "tsp.kek"
    provider = kek_provider("", str(file), True, "")
    assert isinstance(provider, KekFile)
    old = key_of(provider)
    provider.prepare(KEK)
    assert (key_of(provider), provider.next_key()) == (old, KEK)
    provider.prepare(OTHER)  # a second attempt
    provider.settle(KEK)  # what is not the next key does not come in its place
    assert (key_of(provider), provider.next_key()) == (old, OTHER)
    provider.settle(OTHER)
    provider.settle(OTHER)  # another instance was faster
    assert (key_of(provider), provider.next_key()) == (OTHER, None)
    assert [path.name for path in tmp_path.iterdir()] == ["tsp.kek"]


class Management:
    """A provider of somebody's own."""

    async def key(self) -> bytes:
        return KEK


def test_a_provider_of_ones_own_is_asked() -> None:
    assert key_of(kek_provider("", "", False, f"{__name__}:Management")) == KEK


@pytest.mark.parametrize("name", ["nothing", "no.such.module:x", "os:nothing", "os:getcwd", f"{__name__}:key_of"])
def test_a_provider_that_is_none_is_not_taken(name: str) -> None:
    with pytest.raises(SettingMissing, match="module:callable"):
        kek_provider("", "", False, name)


def test_new_keys_are_new() -> None:
    secrets = {new_secret(purpose) for purpose in LENGTHS for _ in range(8)}
    assert len(secrets) == 8 * len(LENGTHS)
    assert os.urandom(0) not in secrets
