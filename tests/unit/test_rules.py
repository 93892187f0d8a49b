"""What a field may hold: the values on the edge that are still taken, and what no rule takes or shows."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cardnet.card import CARD_RANGES, holds_card_number
from cardnet.rules import RULES
from cardnet.v1 import rule_pb2

NUMBERS = {"AMOUNT", "BALANCE", "COUNT"}
DOCUMENTS = {"DOCUMENT", "PUBLIC_KEY"}
BYTES = {"SEALED"}
WITHOUT_A_RULE = {"ENUM", "FLAG", "MESSAGE"}
TEXTS = sorted(set(RULES) - NUMBERS - DOCUMENTS - BYTES - WITHOUT_A_RULE)

TAKEN = [
    ("PAN", ["9999000000000012", "9999009900000006", "9999100000000002", "9999109900000004", "9999000000004"]),
    ("PAN", ["9999000000000000004"]),
    ("PAYMENT_TOKEN", ["9999400000000014", "9999409999999995", "9999410000000005", "9999419900000007"]),
    ("EXPIRY", ["0001", "3011", "3012", "9912"]),
    ("TOKEN_REQUESTOR_ID", ["00000000000", "99999999999"]),
    ("CRYPTOGRAM", ["A" * 27 + "=", "/" * 26 + "8=", "+" * 26 + "A="]),
    ("AMOUNT", [1, 999_999_999_999]),
    ("BALANCE", [0, 999_999_999_999]),
    ("COUNT", [0, 999_999_999]),
    ("CURRENCY", ["840", "978", "392", "414", "048"]),
    ("MERCHANT_ID", ["M", "MERCHANT0000001", "my shop 1"]),
    ("MERCHANT_CATEGORY_CODE", ["0000", "9999"]),
    ("STAN", ["000001", "999999"]),
    ("RRN", ["000000000000", "abcXYZ012345"]),
    ("TRANSMISSION_TIME", ["0101000000", "1231235959", "0229120000", "0430120000"]),
    ("PAR", ["A" * 29, "0" * 29]),
    ("KEY", ["k", "!" * 64, "~" * 64, "a{b}:c"]),
    ("JWE", ["a", "A.b-_9" + "x" * 4090]),
    ("RESPONSE_CODE", ["00", "N7"]),
    ("AUTH_CODE", ["A1B2C3"]),
    ("ACQUIRER_ID", ["1", "9" * 11]),
    ("COUNTRY", ["840", "036"]),
    ("TEXT", ["x", " " * 100, "~!@#"]),
    ("DOMAIN", ["a", "shop.example", "x" * 100, "xn--caf-dma.example"]),
    ("LAST_FOUR", ["0012"]),
    ("ASSURANCE_LEVEL", ["00", "10"]),
    ("TRACE_ID", ["0", "f" * 32]),
    ("PUBLIC_KEY", ["-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"]),
    ("DOCUMENT", ["{}", "x" * 1_048_576, "••••0012"]),
    ("ECI", ["07"]),
    ("PASSCODE", ["000000", "999999"]),
    ("TIMESTAMP", ["2026-01-15T09:00:00Z"]),
    ("URL", ["http://x", "https://shop.example:8443/hook?a=1", f"https://{'x' * 192}"]),
    ("SECRET", ["0123456789abcdef" * 4]),
    ("IDENTITY", ["a", "other-merchant", "a" * 32]),
    ("SEALED", [b"", b"\0\xff", b"x" * 12_288]),
    ("BROWSER_TOKEN", ["A" * 32, "z9" * 16]),
    ("SERVICE_ID", ["000", "999"]),
    ("ORIGIN", ["https://shop.example", "http://localhost:8750", "http://[::1]:1", f"https://{'x' * 60}.{'y' * 31}"]),
    ("CARD_NETWORK", ["a", "cardnet", "x" * 32]),
]


@pytest.mark.parametrize(("rule", "values"), TAKEN, ids=[rule for rule, _ in TAKEN])
def test_what_is_on_the_edge_is_taken(rule, values):
    assert {value: RULES[rule].check(value) for value in values} == dict.fromkeys(values)


def test_every_rule_of_the_protos_is_stated():
    assert {f"RULE_{name}" for name in RULES} == set(rule_pb2.Rule.keys()) - {"RULE_UNSPECIFIED"}
    assert {rule for rule, _ in TAKEN} == set(RULES) - WITHOUT_A_RULE


@pytest.mark.parametrize("rule", TEXTS)
@settings(max_examples=40, derandomize=True, deadline=None)
@given(text=st.text(max_size=60) | st.from_regex(r"\s*[\d.+-]{2,19}\s*", fullmatch=True))
@example(text="٣" * 11)
@example(text="0001\n")
@example(text="\u00b2" * 4)
@example(text="9" * 5000)
def test_whatever_a_text_is_it_is_judged_and_only_plain_ascii_is_taken(rule, text):
    broken = RULES[rule].check(text) if text else "must be given"
    if broken is None:
        assert text.isascii() and text.isprintable()
    else:
        assert broken.startswith("must ")
        assert len(text) < 5 or text not in broken


@pytest.mark.parametrize("rule", sorted(NUMBERS))
@settings(max_examples=40, derandomize=True, deadline=None)
@given(number=st.integers(-(2**63), 2**63 - 1))
@example(number=-1)
@example(number=2**53 + 1)
def test_a_number_that_is_taken_is_exact_in_the_stores_arithmetic(rule, number):
    if RULES[rule].check(number) is None:
        assert 0 <= number < 2**53 and float(number) == number


def test_no_rule_takes_long_over_a_long_text():
    # A pattern that goes back and forth would take minutes for these.
    texts = ["0" * 16_384, "a" * 16_384, " " * 16_384, "A." * 8_192, "-" * 16_384, "0 " * 8_192]
    began = time.process_time()
    for rule in TEXTS:
        for text in texts:
            RULES[rule].check(text)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(("rule", "value"), [("PAN", "9999000000000012"), ("PAYMENT_TOKEN", "9999400000000014")])
def test_a_number_is_shown_by_its_last_four_digits(rule, value):
    assert RULES[rule].secret
    assert RULES[rule].shown(value) == f"••••{value[-4:]}"


@pytest.mark.parametrize("rule", ["CRYPTOGRAM", "JWE", "PASSCODE", "SECRET"])
def test_of_other_secrets_it_is_shown_that_they_are_there(rule):
    assert RULES[rule].secret
    assert RULES[rule].shown("c2VjcmV0") == "present"


def test_of_sealed_bytes_it_is_shown_how_many_there_are():
    assert RULES["SEALED"].secret
    assert RULES["SEALED"].shown(b"secret") == "6 bytes"


def test_nothing_else_is_secret():
    secret = {"PAN", "PAYMENT_TOKEN", "CRYPTOGRAM", "JWE", "PASSCODE", "SECRET", "SEALED", "BROWSER_TOKEN"}
    assert {name for name, rule in RULES.items() if rule.secret} == secret


@pytest.mark.parametrize("bin_", [bin_ for range_ in CARD_RANGES for bin_ in (range_.low, range_.high)])
@pytest.mark.parametrize("rule", ["KEY", "TEXT", "MERCHANT_ID", "DOMAIN"])
def test_what_is_chosen_freely_holds_no_card_number_of_any_range(rule: str, bin_: str) -> None:
    shortest = bin_ + "00000"
    assert RULES[rule].check(shortest[:-1]) is None
    for value in (shortest, f"a{shortest}"):
        assert str(RULES[rule].check(value)).endswith("and no card number")


REAL = [
    "4111111111111111",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "3530111333300000",
]
"""Test numbers that real networks publish (standards: public test numbers)."""


GROUPED = ["4111 1111 1111 1111", "5555-5555-5555-4444", "3782 822463 10005", "9999-0000-0000-0012"]


@pytest.mark.parametrize("number", REAL + GROUPED)
@pytest.mark.parametrize("form", ["{}", "order-{}", "pay:{}!"])
def test_nor_what_may_be_a_real_card(number: str, form: str) -> None:
    text = form.format(number)
    assert holds_card_number(text)
    assert RULES["TEXT"].check(text) == "must be 1 to 100 printable ASCII characters and no card number"


@pytest.mark.parametrize(
    "text",
    [
        "9999400000000014",
        "order-4111111111111112",
        "1700000000000",
        "f4111111111111111",
        "0af7651916cd43dd8448eb211c80319c",
    ],
)
def test_a_token_an_order_number_and_an_identifier_are_no_card_numbers(text: str) -> None:
    assert not holds_card_number(text)
    assert RULES["KEY"].check(text) is None
