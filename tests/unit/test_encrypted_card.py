"""A card encrypted to the token service provider: one profile is taken, and nothing tells a guesser what was wrong."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import OctKey, RSAKey

from cardnet.card import Expiry, Pan
from cardnet.encrypted_card import decrypt, encrypt
from cardnet.errors import InvalidField

KEY = RSAKey.generate_key(2048)
KEYS = {"k": KEY}
PUBLIC = KEY.as_pem(private=False).decode()
PAN, EXPIRY = "9999000000000012", "3011"
CARD = {"pan": PAN, "pan_expiry": EXPIRY}
HEADER = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "k"}
UNREADABLE = "must be a card encrypted to this token service's key: a compact JWE with RSA-OAEP-256 and A256GCM"
REAL = "must hold a card of the test ranges, which begin with 9999: never use a real card here"
ANY = ["RSA-OAEP-256", "RSA-OAEP", "dir", "A256GCM", "A128GCM", "A256CBC-HS512", "DEF"]


def rule(encrypted: str) -> str:
    with pytest.raises(InvalidField) as caught:
        decrypt(encrypted, KEYS)
    assert caught.value.field == "encrypted_card"
    assert caught.value.__cause__ is None
    return caught.value.rule


def made(card: Any = CARD, key: Any = KEY, **changes: Any) -> str:
    """A JWE of any kind; a change to None leaves a header member out."""
    header = {name: value for name, value in (HEADER | changes).items() if value is not None}
    plaintext = card if isinstance(card, (str, bytes)) else json.dumps(card)
    return jwe.encrypt_compact(header, plaintext, key, algorithms=ANY)


def with_header(text: str) -> str:
    coded = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    return ".".join((coded, *made().split(".")[1:]))


def test_the_card_comes_out_as_it_went_in() -> None:
    encrypted = encrypt(PAN, EXPIRY, "k", PUBLIC)
    assert decrypt(encrypted, KEYS) == (Pan(PAN), Expiry(2030, 11))
    assert PAN not in encrypted
    assert encrypted != encrypt(PAN, EXPIRY, "k", PUBLIC)


@pytest.mark.parametrize(
    "encrypted",
    [
        made(alg="RSA-OAEP"),
        with_header('{"alg":"RSA1_5","enc":"A256GCM","kid":"k"}'),
        made(enc="A128GCM"),
        made(enc="A256CBC-HS512"),
        made(alg="dir", key=OctKey.generate_key(256)),
        made(zip="DEF"),
        made(kid="another"),
        made(kid=None),
        made(typ="JWE"),
        made(key=RSAKey.generate_key(2048)),
        with_header('{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k","kid":"k"}'),
        with_header('{"alg":"none","enc":"A256GCM","kid":"k"}'),
        with_header('{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k","crit":["exp"],"exp":1}'),
        with_header('{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k","p2c":2147483647}'),
        with_header('{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":["k"]}'),
        with_header("[" * 3000),
        with_header("7"),
        made().rpartition(".")[0],
        made() + ".AAAA",
        made()[:-2],
        "....",
        "",
    ],
)
def test_nothing_but_the_one_profile_is_taken(encrypted: str) -> None:
    assert rule(encrypted) == UNREADABLE


@pytest.mark.parametrize(
    "card",
    [
        CARD | {"pan": "9999000000000013"},  # check digit
        CARD | {"pan": "999900000000"},
        CARD | {"pan": "٩٩٩٩000000000012"},
        CARD | {"pan": 9999000000000012},
        CARD | {"pan_expiry": "3013"},
        CARD | {"cvv2": "123"},
        {"pan": PAN},
        [CARD],
        "null",
        "{",
        b"\xff",
        '{"pan":"9999000000000012","pan":"9999000000000012","pan_expiry":"3011"}',
    ],
)
def test_a_card_that_is_none_is_refused_in_the_same_words(card: Any) -> None:
    assert rule(made(card)) == UNREADABLE


@pytest.mark.parametrize("pan", ["4111111111111111", "378282246310005", "9999400000000014"])
def test_a_card_outside_the_test_ranges_is_refused_in_words_that_say_so(pan: str) -> None:
    assert rule(made(CARD | {"pan": pan})) == REAL


@pytest.mark.parametrize("part", range(5))
def test_no_part_may_be_altered(part: int) -> None:
    parts = made().split(".")
    first = "A" if parts[part][0] != "A" else "B"
    parts[part] = first + parts[part][1:]
    assert rule(".".join(parts)) == UNREADABLE


@given(st.one_of(st.text(max_size=200), st.from_regex(r"[A-Za-z0-9_.-]{1,400}", fullmatch=True)))
def test_no_text_brings_about_another_error(text: str) -> None:
    assert rule(text) == UNREADABLE
