"""SIM-TAVV: the test vector of its specification, what it binds, and what is not taken for one."""

import base64
from datetime import UTC, date, datetime

import pytest

from cardnet.card import PaymentToken
from cardnet.cryptogram import Binding, Container, CryptogramKey, Purchase, read

KEY = CryptogramKey(bytes(range(16)))
TOKEN = PaymentToken("9999401234567893")
PURCHASE = Purchase(6500, "840", "392", "00000000001", "shop.example", "MERCHANT0000001")
TODAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NUMBER = bytes.fromhex("11223344")
VECTOR = "EO1TGgnlCqeYAAERIjNEGoABoQE="


def container(text: str = VECTOR) -> Container:
    taken_apart = read(text)
    assert taken_apart
    return taken_apart


def altered(place: int, value: int) -> str:
    raw = bytearray(base64.b64decode(VECTOR))
    raw[place] = value
    return base64.b64encode(raw).decode()


def test_the_vector_of_the_specification_comes_out() -> None:
    assert KEY.make(TOKEN, 1, NUMBER, PURCHASE, TODAY) == VECTOR
    assert container() == Container(bytes.fromhex("ED531A09E50AA798"), 1, NUMBER, 1, Binding.EXACT, False)


def test_the_vector_for_an_amount_of_zero_comes_out() -> None:
    made = KEY.make(TOKEN, 1, NUMBER, PURCHASE._replace(amount_minor=0), TODAY)
    assert container(made).mac.hex().upper() == "CE00CB17FC0B353E"


def test_a_cryptogram_matches_its_own_purchase() -> None:
    assert KEY.matches(container(), TOKEN, PURCHASE, NOON)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_minor", 6501),
        ("amount_minor", 0),
        ("currency", "978"),
        ("country", "840"),
        ("token_requestor_id", "00000000002"),
        ("merchant_domain", "shop.exampl"),
        ("merchant_id", "MERCHANT0000002"),
        ("type", "01"),
    ],
)
def test_it_matches_no_purchase_that_differs(field: str, value: object) -> None:
    assert not KEY.matches(container(), TOKEN, PURCHASE._replace(**{field: value}), NOON)


def test_it_matches_no_other_token_key_or_counter() -> None:
    assert not KEY.matches(container(), PaymentToken("9999400000000014"), PURCHASE, NOON)
    assert not CryptogramKey(bytes(16)).matches(container(), TOKEN, PURCHASE, NOON)
    assert not KEY.matches(container()._replace(atc=2), TOKEN, PURCHASE, NOON)
    assert not KEY.matches(container()._replace(unpredictable_number=bytes(4)), TOKEN, PURCHASE, NOON)


@pytest.mark.parametrize("bit", range(64))
def test_no_bit_of_the_mac_may_differ(bit: int) -> None:
    mac = (int.from_bytes(container().mac, "big") ^ 1 << bit).to_bytes(8, "big")
    assert not KEY.matches(container()._replace(mac=mac), TOKEN, PURCHASE, NOON)


@pytest.mark.parametrize(
    ("now", "good"),
    [
        ("2026-11-21T23:59:59Z", False),
        ("2026-11-22T00:00:00Z", True),
        ("2026-11-23T00:14:59Z", True),
        ("2026-11-23T23:59:59Z", True),
        ("2026-11-24T00:00:00Z", False),
    ],
)
def test_the_day_of_issue_is_bound_and_midnight_may_lie_between(now: str, good: bool) -> None:
    assert KEY.matches(container(), TOKEN, PURCHASE, datetime.fromisoformat(now)) is good


@pytest.mark.parametrize(
    "text",
    [
        altered(0, 0x20),  # another format
        altered(0, 0x11),  # another token sequence number
        altered(15, 0x1B),  # another way to bind the amount
        altered(18, 0xA2),  # another version
        altered(19, 2),  # begun by the merchant
        VECTOR[:-1],
        VECTOR + "AAAA",
        "",
        "not base64 at all, is it now",
        "é" * 28,
    ],
)
def test_what_is_not_of_a_known_form_is_not_read(text: str) -> None:
    assert read(text) is None


def test_the_key_index_is_told_and_not_judged() -> None:
    assert container(altered(17, 9)).key_index == 9


@pytest.mark.parametrize("token", ["9999400000000014", "9999400000000", "9999400000000000000"])
def test_tokens_of_every_length_have_cryptograms(token: str) -> None:
    made = KEY.make(PaymentToken(token), 65535, NUMBER, PURCHASE, TODAY)
    assert KEY.matches(container(made), PaymentToken(token), PURCHASE, NOON)
