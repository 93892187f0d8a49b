"""The token service provider's keys: kept in one file by whoever is first, and fit for use."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cardnet.card import Pan, PaymentToken
from cardnet.config import SettingMissing
from services.tsp.keys import _LENGTHS, KeySet, open_keys

SHORT = json.dumps(dict.fromkeys(("id", *_LENGTHS), "00"))
PAN, TOKEN = Pan("9999000000000012"), PaymentToken("9999400000000014")


def names(keys: KeySet) -> tuple[str, str, str, str]:
    card_key = asyncio.run(keys.card_key())
    return keys.name_of_pan(PAN), keys.name_of_token(TOKEN), keys.fingerprint(b""), card_key.id


def test_those_who_start_together_end_up_with_the_same_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    with ThreadPoolExecutor(4) as threads:
        sets = list(threads.map(lambda _: open_keys(str(file), ""), range(4)))
    assert len({names(keys) for keys in (*sets, open_keys(str(file), ""))}) == 1
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_keys_without_a_file_are_new_each_time() -> None:
    assert not set(names(open_keys("", ""))) & set(names(open_keys("", "")))


def test_a_file_that_others_can_read_is_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    open_keys(str(file), "")
    file.chmod(0o640)
    with pytest.raises(SettingMissing, match="only its owner can read"):
        open_keys(str(file), "")


@pytest.mark.parametrize("text", ["", "{}", "[]", "7", SHORT, '{"id": "k1", "data_key": "00"}'])
def test_a_file_that_holds_no_keys_is_not_taken(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.json"
    file.touch(mode=0o600)
    file.write_text(text)
    with pytest.raises(SettingMissing):
        open_keys(str(file), "")


@pytest.mark.parametrize("key", ["00", "g" * 32, "0" * 33, "0" * 32 + "\n"])
def test_a_cryptogram_key_that_is_none_is_not_taken(key: str) -> None:
    with pytest.raises(SettingMissing, match="32 hexadecimal digits"):
        open_keys("", key)


def test_keys_never_show_themselves() -> None:
    keys = open_keys("", "00112233445566778899AABBCCDDEEFF")
    assert "0011" not in f"{keys!r}{keys.cryptogram!r}{vars(keys)!r}"
