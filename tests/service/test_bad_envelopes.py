"""What stands inside an encrypted card, where no border sees it: one profile opens, and nobody learns more."""

import base64
import json
import os
import zlib
from typing import Any

import pytest
import pytest_asyncio
from attack import over_the_wire, stored
from bad_input import BAD, PAN, REAL_LOOKING, TOKEN
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from patience import patient

from cardnet.testing import LocalNetwork
from cardnet.v1.merchant_pb2 import SaveCardRequest
from cardnet.v1.token_service_pb2 import GetEncryptionKeyRequest
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAVE_CARD = "/cardnet.v1.Merchant/SaveCard"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network():
    async with LocalNetwork(in_process=True, fronts=True, settings=patient()) as network:
        yield network


_UNREADABLE = "must be a card encrypted to this token service's key: a compact JWE with RSA-OAEP-256 and A256GCM"
_REAL = "must hold a card of the test ranges, which begin with 9999: never use a real card here"
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_CARD = {"pan": PAN, "pan_expiry": "3011"}


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwe(pem: str, header: str, plaintext: bytes, wrap: Any = _OAEP, key: bytes | None = None) -> str:
    """A JWE by hand, and by any header, that would open but for what is wrong with it."""
    key, nonce = key or os.urandom(32), os.urandom(12)
    wrapped = load_pem_public_key(pem.encode()).encrypt(key, wrap) if wrap else b""
    sealed = AESGCM(key).encrypt(nonce, plaintext, _coded(header.encode()).encode())
    return ".".join((_coded(header.encode()), *map(_coded, (wrapped, nonce, sealed[:-16], sealed[-16:]))))


def _deflated(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


def _header(**changes: Any) -> str:
    return json.dumps({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "KID", **changes}, separators=(",", ":"))


_PLAIN = json.dumps(_CARD).encode()
ENVELOPES = {
    "alg none": (_header(alg="none"), _PLAIN, None),
    "alg dir": (_header(alg="dir"), _PLAIN, None),
    "alg RSA1_5": (_header(alg="RSA1_5"), _PLAIN, padding.PKCS1v15()),
    "alg RSA-OAEP with SHA-1": (
        _header(alg="RSA-OAEP"),
        _PLAIN,
        padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),  # noqa: S303 - as an attacker would
    ),
    "zip": (_header(zip="DEF"), _deflated(_PLAIN), _OAEP),
    "zip bomb": (_header(zip="DEF"), _deflated(b" " * 1_000_000), _OAEP),
    "crit": (_header(crit=["b64"], b64=True), _PLAIN, _OAEP),
    "huge p2c": (_header(p2c=2**31), _PLAIN, _OAEP),
    "a member twice": (_header().replace('"kid"', '"kid":"KID","kid"'), _PLAIN, _OAEP),
    "unknown kid": (_header(kid="another"), _PLAIN, _OAEP),
    "jku": (_header(jku="https://attacker.example/keys"), _PLAIN, _OAEP),
    "no JSON": (_header(), PAN.encode(), _OAEP),
    "more than a card": (_header(), json.dumps(_CARD | {"cvv2": "123"}).encode(), _OAEP),
}


async def refusal_of(network: LocalNetwork, caplog: Any, encrypted: str) -> str:
    """What the shop answers to an encrypted card that it must not take."""
    before = await stored(network)
    request = SaveCardRequest(customer_id="mallory", encrypted_card=encrypted)
    outcome = await over_the_wire(network, SAVE_CARD, request.SerializeToString())
    assert await stored(network) == before
    assert outcome.code == "INVALID_ARGUMENT"
    assert not {text for text in (PAN, TOKEN, REAL_LOOKING, encrypted) if text in outcome.shown + caplog.text}
    [(field, rule)] = outcome.violations
    assert field == "encrypted_card"
    return rule


async def _key(network: LocalNetwork) -> Any:
    return await network.stub(TokenServiceStub, "tsp").GetEncryptionKey(GetEncryptionKeyRequest())


async def test_the_envelope_made_by_hand_opens(network):
    key = await _key(network)
    encrypted = jwe(key.public_key, _header(kid=key.key_id), _PLAIN)
    request = SaveCardRequest(customer_id="alice", encrypted_card=encrypted)
    assert "saved: true" in (await over_the_wire(network, SAVE_CARD, request.SerializeToString())).shown


@pytest.mark.parametrize("name", ENVELOPES)
async def test_an_envelope_of_another_make_is_refused(network, caplog, name):
    key = await _key(network)
    header, plaintext, wrap = ENVELOPES[name]
    assert (
        await refusal_of(network, caplog, jwe(key.public_key, header.replace("KID", key.key_id), plaintext, wrap))
        == _UNREADABLE
    )


@pytest.mark.parametrize(
    "change", [lambda made: made.rpartition(".")[0], lambda made: f"{made}.AAAA", lambda made: made[:-1]]
)
async def test_an_envelope_with_too_few_or_too_many_parts_is_refused(network, caplog, change):
    key = await _key(network)
    assert (
        await refusal_of(network, caplog, change(jwe(key.public_key, _header(kid=key.key_id), _PLAIN))) == _UNREADABLE
    )


_LUHN_VALID_ELSEWHERE = [
    REAL_LOOKING,
    "378282246310005",
    TOKEN,
    "0000000000000000",
    "9999200000000000",
    "9999010000000003",
]


@pytest.mark.parametrize(
    ("pan", "expiry", "rule"),
    [
        *[(bad, "3011", _REAL if bad in _LUHN_VALID_ELSEWHERE else _UNREADABLE) for bad, _ in BAD["PAN"]],
        *[(PAN, bad, _UNREADABLE) for bad, _ in BAD["EXPIRY"]],
        ("", "3011", _UNREADABLE),
        (PAN, "", _UNREADABLE),
        (REAL_LOOKING, "3013", _REAL),
    ],
    ids=lambda value: ascii(value)[:24],
)
async def test_a_card_within_the_envelope_is_held_to_its_rules(network, caplog, pan, expiry, rule):
    key = await _key(network)
    card = {"pan": pan[:2000], "pan_expiry": expiry[:2000]}  # more would not get past the border
    encrypted = jwe(key.public_key, _header(kid=key.key_id), json.dumps(card, ensure_ascii=False).encode())
    assert await refusal_of(network, caplog, encrypted) == rule
