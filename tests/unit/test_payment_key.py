"""The shop's own key: it is made once, kept from others, and shown in the two forms that wallets read."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

from cardnet.card import Expiry, PaymentToken
from cardnet.config import SettingMissing
from cardnet.env import FrozenClock
from cardnet.errors import InvalidField, Unavailable
from cardnet.tokenized_card import TokenizedCard, encrypt
from services.merchant.payment_key import PaymentKey, PaymentKeys

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
CLOCK = FrozenClock(NOW)
CARD = TokenizedCard(
    token=PaymentToken("9999400000000014"), token_expiry=Expiry(2029, 11), cryptogram="QUJDREVGR0hJSktMTU5PUFFSU1Q="
)


def keys(file: Path | str) -> PaymentKeys:
    return PaymentKeys(str(file), "shop.example", CLOCK)


def contents(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.fixture(scope="module")
def key() -> PaymentKey:
    return PaymentKey(rsa.generate_private_key(65_537, 2_048), "shop.example", CLOCK)


def test_the_key_is_named_by_its_thumbprint_and_told_as_a_jwk(key: PaymentKey) -> None:
    assert set(key.jwk) == {"kty", "n", "e", "kid", "use", "alg"}
    assert {name: key.jwk[name] for name in ("kty", "e", "use", "alg")} == {
        "kty": "RSA",
        "e": "AQAB",
        "use": "enc",
        "alg": "RSA-OAEP-256",
    }
    assert len(base64.urlsafe_b64decode(key.jwk["n"] + "==")) == 256
    assert key.id == key.jwk["kid"] == RSAKey.import_key(key.jwk).thumbprint()


def test_what_is_encrypted_to_it_is_opened(key: PaymentKey) -> None:
    assert key.decrypt(encrypt(CARD.members, key.jwk)) == CARD


def test_its_certificate_holds_the_same_key_and_is_the_shop_s_for_years(key: PaymentKey) -> None:
    certificate = x509.load_pem_x509_certificate(key.certificate.encode())
    public = certificate.public_key()
    public.verify(
        certificate.signature,
        certificate.tbs_certificate_bytes,
        PKCS1v15(),
        certificate.signature_hash_algorithm,
    )
    assert RSAKey.import_key(key.jwk).public_key.public_numbers() == public.public_numbers()
    assert certificate.subject.rfc4514_string() == "CN=shop.example"
    assert certificate.not_valid_before_utc < NOW < NOW + timedelta(days=4 * 365) < certificate.not_valid_after_utc
    assert key.certificate is key.certificate


async def test_the_file_is_written_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "payment-key"
    first, second = await asyncio.gather(keys(file).key(), keys(file).key())  # two instances that start at once
    assert first.id == second.id
    assert file.stat().st_mode & 0o777 == 0o600
    assert contents(tmp_path) == [file]
    assert (await keys(file).key()).id == first.id


async def test_a_key_in_memory_stays_the_same_for_as_long_as_the_process() -> None:
    held = keys("")
    first, second = await asyncio.gather(held.key(), held.key())
    assert first is second


async def test_nothing_is_made_before_it_is_asked_for(tmp_path: Path) -> None:
    keys(tmp_path / "payment-key")
    assert contents(tmp_path) == []


async def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "payment-key"
    await keys(file).prepare()
    file.chmod(0o640)
    with pytest.raises(SettingMissing, match="chmod 600"):
        keys(file)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("kind", ["nothing", "words", "another kind", "too short"])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, kind: str) -> None:
    written = {
        "nothing": lambda: b"",
        "words": lambda: b"the key is under the mat",
        "another kind": lambda: pem(ec.generate_private_key(ec.SECP256R1())),
        "too short": lambda: pem(rsa.generate_private_key(65_537, 1_024)),  # noqa: S505 - so it is refused
    }
    file = tmp_path / "payment-key"
    file.write_bytes(written[kind]())
    file.chmod(0o600)
    with pytest.raises(SettingMissing, match="2048 bits or more"):
        keys(file)


def test_a_file_in_no_folder_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingMissing, match="no folder"):
        keys(tmp_path / "nowhere" / "payment-key")


async def test_a_file_that_cannot_be_written_is_a_fault_of_the_call(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    held = keys(folder / "payment-key")
    folder.rmdir()
    with pytest.raises(Unavailable) as fault:
        await held.key()
    assert fault.value.reason == "PAYMENT_KEY_UNAVAILABLE"


async def test_details_for_another_shop_s_key_are_refused(key: PaymentKey) -> None:
    other = await keys("").key()
    with pytest.raises(InvalidField, match="kid"):
        key.decrypt(encrypt(CARD.members, other.jwk))
