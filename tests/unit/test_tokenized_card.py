"""What a wallet gives a shop: one profile of encryption, and every member held to its rule."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import OctKey, RSAKey

from cardnet.card import Expiry, PaymentToken
from cardnet.errors import InvalidField
from cardnet.money import Money
from cardnet.payment_request import Claims
from cardnet.tokenized_card import TokenizedCard, decrypt, encrypt

KEY = RSAKey.generate_key(2048)
JWK = KEY.as_dict(private=False) | {"kid": "k"}
HEADER = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "k"}
ANY = ["RSA-OAEP-256", "RSA-OAEP", "dir", "A256GCM", "A128GCM", "A256CBC-HS512", "DEF"]
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
NOW_S = int(NOW.timestamp())
TOTAL = Money.parse("12.40 USD")
CLAIMS = Claims("request-1", "http://localhost:8080", TOTAL, NOW_S, NOW_S + 300, "details-1")
CARD = TokenizedCard(
    token=PaymentToken("9999400000000014"),
    token_expiry=Expiry(2029, 11),
    cryptogram="QUJDREVGR0hJSktMTU5PUFFSU1Q=",
    token_requestor_id="00000000004",
    eci="05",
    claims=CLAIMS,
)
MEMBERS = CARD.members


def made(plaintext: Any = MEMBERS, key: Any = KEY, **changes: Any) -> str:
    """A JWE of any kind; a change to None leaves a header member out."""
    header = {name: value for name, value in (HEADER | changes).items() if value is not None}
    text = plaintext if isinstance(plaintext, (str, bytes)) else json.dumps(plaintext)
    return jwe.encrypt_compact(header, text, key, algorithms=ANY)


def with_header(text: str) -> str:
    coded = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    return ".".join((coded, *made().split(".")[1:]))


def violation(encrypted: str) -> InvalidField:
    with pytest.raises(InvalidField) as caught:
        decrypt(encrypted, "k", KEY)
    assert caught.value.__cause__ is None
    return caught.value


def test_the_details_come_out_as_they_went_in() -> None:
    encrypted = encrypt(MEMBERS, JWK)
    opened = decrypt(encrypted, "k", KEY)
    assert opened == CARD
    assert (opened.members, opened.claims) == (MEMBERS, CLAIMS)
    assert encrypted != encrypt(MEMBERS, JWK)


def test_the_details_are_written_in_the_document_s_words() -> None:
    assert MEMBERS == {
        "cardNumber": "9999400000000014",
        "expiryMonth": "11",
        "expiryYear": "2029",
        "cryptogram": "QUJDREVGR0hJSktMTU5PUFFSU1Q=",
        "typeOfCryptogram": "SIM-TAVV",
        "trid": "00000000004",
        "eci": "05",
        "paymentRequestId": "request-1",
        "topOrigin": "http://localhost:8080",
        "total": {"currency": "USD", "value": "12.40"},
        "iat": NOW_S,
        "exp": NOW_S + 300,
        "jti": "details-1",
    }


def test_the_document_s_required_members_are_enough() -> None:
    required = {name: MEMBERS[name] for name in ("cardNumber", "expiryMonth", "expiryYear", "cryptogram")}
    opened = decrypt(made(required), "k", KEY)
    assert (opened.cryptogram_type, opened.token_requestor_id, opened.eci) == ("SIM-TAVV", "", "")
    assert opened.claims is None


def test_the_last_draft_s_members_may_be_there() -> None:
    more = {"par": "S" * 29, "tokenReferenceID": "reference-1", "tokenRequestorKey": "https://shop.example/key"}
    assert decrypt(made(MEMBERS | more), "k", KEY) == CARD
    for name, wrong in (("par", "s"), ("tokenReferenceID", "9999000000000012"), ("tokenRequestorKey", "ftp://x")):
        assert violation(made(MEMBERS | {name: wrong})).field == f"encrypted_details.{name}"


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_key_that_is_too_short_is_not_encrypted_to() -> None:
    weak = RSAKey.generate_key(1024, auto_kid=True).as_dict(private=False)
    with pytest.raises(ValueError, match="2048"):
        encrypt(MEMBERS, weak)


def test_details_do_not_print_themselves() -> None:
    assert "9999400000000014" not in repr(CARD)
    assert CARD.cryptogram not in repr(CARD)


@pytest.mark.parametrize(
    "encrypted",
    [
        made(alg="RSA-OAEP"),
        with_header('{"alg":"RSA1_5","enc":"A256GCM","kid":"k"}'),
        made(enc="A128GCM"),
        made(enc="A256CBC-HS512"),
        made(alg="dir", key=OctKey.generate_key(256)),
        made(zip="DEF"),
        made(kid=None),
        made(typ="JWE"),
        with_header('{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k","kid":"k"}'),
        with_header('{"alg":"none","enc":"A256GCM","kid":"k"}'),
        with_header('{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"k","crit":["exp"],"exp":1}'),
        with_header('{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":["k"]}'),
        with_header("[" * 2000),
        with_header("7"),
    ],
)
def test_another_header_than_the_one_is_refused(encrypted: str) -> None:
    assert violation(encrypted).rule == (
        "must have alg RSA-OAEP-256, enc A256GCM and kid in its header, once each, and nothing else"
    )


def test_another_s_key_is_named_as_the_fault() -> None:
    found = violation(made(kid="another"))
    assert found.rule == "must name this shop's key in kid: fetch the payment key again"
    assert "another" not in str(found)


@pytest.mark.parametrize(
    "encrypted",
    [
        made().rpartition(".")[0],
        made() + ".AAAA",
        made() + "=",
        made() + " ",
        made().replace(".", "..", 1),
        "",
        "é" * 10,
        "a" * 4_097,
        made() + "A" * 4_096,
    ],
)
def test_what_is_no_compact_jwe_of_the_one_spelling_is_refused(encrypted: str) -> None:
    assert violation(encrypted).rule == "must be a compact JWE of at most 4,096 characters: five parts in base64url"


def test_details_have_one_spelling_alone() -> None:
    header, key, *others = made().split(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    respelt = key[:-1] + letters[letters.index(key[-1]) + 1]  # the last letter of 256 bytes has four idle bits
    assert violation(".".join((header, respelt, *others))).rule.startswith("must be a compact JWE")


def flipped(encrypted: str, part: int) -> str:
    parts = encrypted.split(".")
    parts[part] = ("B" if parts[part][0] != "B" else "C") + parts[part][1:]
    return ".".join(parts)


@pytest.mark.parametrize(
    "encrypted",
    [
        made(key=RSAKey.generate_key(2048)),
        *(flipped(made(), part) for part in (1, 2, 3, 4)),
        made("[]"),
        made("7"),
        made("[" * 2000),
        made(b"\xff\xfe"),
        made(""),
        made(json.dumps(MEMBERS) + "x"),
        made('{"cardNumber":"9999400000000014","cardNumber":"9999401234567893"}'),
        made('{"total":{"value":"1","value":"2"}}'),
        made('{"iat":NaN}'),
        f"{made().partition('.')[0]}....",
    ],
)
def test_what_cannot_be_opened_is_refused_without_a_word_of_why(encrypted: str) -> None:
    found = violation(encrypted)
    assert (found.field, found.rule) == (
        "encrypted_details",
        "must be a JSON object with each member once, encrypted to this shop's key",
    )


@pytest.mark.parametrize(
    ("member", "wrong"),
    [
        ("cardNumber", "9999000000000012"),  # a card, and no token
        ("cardNumber", "9999400000000015"),  # the check digit
        ("cardNumber", "999940000000"),
        ("cardNumber", 9999400000000014),
        ("expiryMonth", "13"),
        ("expiryMonth", "1"),
        ("expiryMonth", "00"),
        ("expiryMonth", "١١"),
        ("expiryYear", "29"),
        ("expiryYear", "1999"),
        ("expiryYear", "2029\n"),
        ("expiryYear", 2029),
        ("cryptogram", "short"),
        ("cryptogram", ""),
        ("cryptogram", None),
        ("typeOfCryptogram", "sim-tavv"),
        ("typeOfCryptogram", ""),
        ("trid", "4"),
        ("trid", "0000000000٤"),
        ("trid", None),
        ("eci", "5"),
        ("eci", "242"),
        ("eci", 5),
        ("paymentRequestId", ""),
        ("paymentRequestId", "two words"),
        ("paymentRequestId", 7),
        ("topOrigin", "localhost:8080"),
        ("topOrigin", "http://localhost:8080//"),
        ("topOrigin", None),
        ("total", "12.40 USD"),
        ("total", {"currency": "USD"}),
        ("total", {"currency": "USD", "value": 12.4}),
        ("total", {"currency": "USD", "value": "12.4"}),
        ("total", {"currency": "USD", "value": "12.400"}),
        ("total", {"currency": "JPY", "value": "12.40"}),
        ("total", {"currency": "KWD", "value": "12.40"}),
        ("total", {"currency": "usd", "value": "12.40"}),
        ("total", {"currency": "XXX", "value": "12.40"}),
        ("total", {"currency": "USD", "value": "-1.00"}),
        ("total", {"currency": "USD", "value": "12.40 EUR"}),
        ("total", {"currency": "USD", "value": "12.40", "label": "all"}),
        ("iat", "1"),
        ("iat", True),
        ("iat", 1.5),
        ("iat", -1),
        ("exp", 10**30),
        ("exp", None),
        ("jti", ""),
        ("jti", "x" * 65),
    ],
)
def test_a_member_that_breaks_its_rule_is_named_and_its_value_is_not(member: str, wrong: Any) -> None:
    found = violation(made(MEMBERS | {member: wrong}))
    assert found.field == f"encrypted_details.{member}"
    assert found.rule.startswith("must ")
    assert len(str(wrong)) < 5 or str(wrong) not in str(found)


@pytest.mark.parametrize("member", ["cardNumber", "expiryMonth", "expiryYear", "cryptogram"])
def test_a_required_member_must_be_there(member: str) -> None:
    found = violation(made({name: value for name, value in MEMBERS.items() if name != member}))
    assert (found.field, found.rule) == (f"encrypted_details.{member}", "must be given")


@pytest.mark.parametrize("claim", ["paymentRequestId", "topOrigin", "total", "iat", "exp", "jti"])
def test_claims_are_all_there_or_none(claim: str) -> None:
    found = violation(made({name: value for name, value in MEMBERS.items() if name != claim}))
    assert found.field == f"encrypted_details.{claim}"


@pytest.mark.parametrize("member", ["pan", "cardSecurityCode", "nbf", "CardNumber", ""])
def test_other_members_are_refused(member: str) -> None:
    assert violation(made(MEMBERS | {member: "x"})).field == "encrypted_details"


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    violation(text)
