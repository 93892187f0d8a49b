"""SIM-TAVV: the vector of its specification, computed a second time from the primitives of EMV 4.4 Book 2 alone."""

import base64
import hashlib
from datetime import UTC, date, datetime

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from cardnet.card import PaymentToken
from cardnet.cryptogram import CryptogramKey, Purchase, read

IMK = bytes.fromhex("000102030405060708090A0B0C0D0E0F")
TOKEN, PSN = "9999401234567893", "00"
ATC, NUMBER = bytes.fromhex("0001"), bytes.fromhex("11223344")
DATA = (
    "000000006500"  # amount
    "000000000000"  # other amount
    "0392"  # country
    "0000000000"  # terminal verification results
    "0840"  # currency
    "261122"  # date
    "00"  # type
    "11223344"  # unpredictable number
    "1A80"  # application interchange profile: the amount is bound exactly
    "0001"  # application transaction counter
    "00000000001F"  # Token Requestor ID
    "CB4844FA30613128"  # merchant
)
BASE64 = "EO1TGgnlCqeYAAERIjNEGoABoQE="
PURCHASE = Purchase(6500, "840", "392", "00000000001", "shop.example", "MERCHANT0000001")


def aes(key: bytes, block: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)  # noqa: S305 - EMV derives so


def cmac(key: bytes, data: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()[:8]


def test_the_vector_follows_from_its_derivation_step_by_step() -> None:
    token_key = aes(IMK, bytes.fromhex((TOKEN + PSN).zfill(32)))
    assert token_key.hex().upper() == "C3FBA395B36EFBFCB6598BA983EC4CFA"
    session_key = aes(token_key, ATC + bytes(14))
    assert session_key.hex().upper() == "4FBC46A67F5956C876BC206F452B5454"
    assert hashlib.sha256(b"shop.example|MERCHANT0000001").hexdigest()[:16].upper() == DATA[-16:]
    mac = cmac(session_key, bytes.fromhex(DATA))
    assert mac.hex().upper() == "ED531A09E50AA798"
    container = bytes([0x10]) + mac + ATC + NUMBER + bytes.fromhex("1A8001A101")
    assert container.hex().upper() == "10ED531A09E50AA7980001112233441A8001A101"
    assert base64.b64encode(container).decode() == BASE64


def test_our_key_makes_the_vector_and_knows_it_again() -> None:
    key, token = CryptogramKey(IMK), PaymentToken(TOKEN)

    assert key.make(token, 1, NUMBER, PURCHASE, date(2026, 11, 22)) == BASE64
    container = read(BASE64)
    assert container
    assert key.matches(container, token, PURCHASE, datetime(2026, 11, 22, 9, tzinfo=UTC))


def test_the_vector_for_an_amount_of_zero_is_another() -> None:
    made = CryptogramKey(IMK).make(
        PaymentToken(TOKEN), 1, NUMBER, PURCHASE._replace(amount_minor=0), date(2026, 11, 22)
    )

    container = read(made)
    assert container
    assert container.mac.hex().upper() == "CE00CB17FC0B353E"
