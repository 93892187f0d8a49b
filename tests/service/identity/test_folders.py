"""An identity is a folder that holds together, or none."""

import asyncio
import logging
import os
import shutil

import pytest
from cryptography.hazmat.primitives import serialization
from mint import Folder, Mint, rsa_key

from cardnet.certificates import Identity
from cardnet.config import SettingMissing

ours = Mint.authority()


@pytest.fixture
def own() -> Folder:
    return ours.leaf("tsp")


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key", "ca.crt"])
def test_each_file_must_be_there(own, tmp_path, missing):
    own.put(tmp_path / "tsp")
    (tmp_path / "tsp" / missing).unlink()
    with pytest.raises(SettingMissing) as told:
        Identity(tmp_path / "tsp")
    assert missing in str(told.value)
    assert str(told.value).endswith(f"make one with: cardnet certs {tmp_path}")


NOT_PEM = [
    b"",
    b"\xff\0",
    b"-----BEGIN CERTIFICATE-----\n",
    b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
]


@pytest.mark.parametrize("name", ["certificate", "key", "authorities"])
@pytest.mark.parametrize("rubbish", NOT_PEM)
def test_what_does_not_fit_together_is_refused_and_not_quoted(own, tmp_path, name, rubbish):
    with pytest.raises(SettingMissing, match="are not PEM that fits together; make one with: cardnet certs"):
        Identity(own._replace(**{name: rubbish}).put(tmp_path / "tsp"))


def test_another_s_key_is_refused(own, tmp_path):
    for key in (ours.leaf("tsp").key, ours.leaf("tsp", key=rsa_key()).key):
        with pytest.raises(SettingMissing, match="fits together") as told:
            Identity(own._replace(key=key).put(tmp_path / "tsp"))
        assert not any(line in str(told.value) for line in key.decode().splitlines())


def test_a_key_behind_a_password_is_refused_and_nobody_is_asked_for_it(own, tmp_path):
    key = serialization.load_pem_private_key(own.key, None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    with pytest.raises(SettingMissing, match="fits together"):
        Identity(own._replace(key=locked).put(tmp_path / "tsp"))


def test_new_papers_are_taken_up_and_rubbish_is_not_and_is_spoken_of_once(own, tmp_path, caplog):
    identity = Identity(own.put(tmp_path / "tsp"))
    with caplog.at_level(logging.WARNING):
        shutil.rmtree(tmp_path / "tsp")
        assert {identity.papers for _ in range(50)} == {own}
        assert len(caplog.records) == 1
        new = ours.leaf("tsp")
        new.put(tmp_path / "tsp")
        assert identity.papers == new
        shutil.rmtree(tmp_path / "tsp")
        assert {identity.papers for _ in range(50)} == {new}
        assert len(caplog.records) == 2  # it came back in between
    assert "PRIVATE" not in caplog.text


def test_a_file_that_grows_within_one_tick_of_the_clock_is_seen(own, tmp_path):
    """Some file systems count time in steps of milliseconds, and a second authority is written behind the first."""
    folder = own.put(tmp_path / "tsp")
    before = (folder / "ca.crt").stat()
    identity = Identity(folder)
    with (folder / "ca.crt").open("ab") as believed:
        believed.write(Mint.authority().pem)
    os.utime(folder / "ca.crt", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert identity.papers.authorities == (folder / "ca.crt").read_bytes()


async def test_who_asks_for_each_call_looks_now_and_then(own, tmp_path):
    identity = Identity(own.put(tmp_path / "tsp"), look_s=3600)
    assert identity.papers_lately() == own
    ours.leaf("tsp").put(tmp_path / "tsp")
    assert identity.papers_lately() == own
    brisk = Identity(tmp_path / "tsp", look_s=0)
    new = ours.leaf("tsp")
    new.put(tmp_path / "tsp")
    await asyncio.sleep(0)
    assert brisk.papers_lately() == new
