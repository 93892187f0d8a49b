"""Currencies (ISO 4217), amounts as field 4 carries them, and the acquirer's references (fields 37 and 7)."""

from datetime import UTC, datetime

import pytest

from cardnet.errors import InvalidField
from cardnet.money import Currency, Money
from services.acquirer.domain import rrn_prefix, stan, transmission_time

ISO_4217 = {
    "JPY": ("392", 0),
    "KRW": ("410", 0),
    "CLP": ("152", 0),
    "VND": ("704", 0),
    "ISK": ("352", 0),
    "USD": ("840", 2),
    "EUR": ("978", 2),
    "GBP": ("826", 2),
    "AUD": ("036", 2),
    "SGD": ("702", 2),
    "MYR": ("458", 2),
    "IDR": ("360", 2),
    "INR": ("356", 2),
    "CNY": ("156", 2),
    "BRL": ("986", 2),
    "CAD": ("124", 2),
    "CHF": ("756", 2),
    "NOK": ("578", 2),
    "BHD": ("048", 3),
    "KWD": ("414", 3),
    "JOD": ("400", 3),
    "OMR": ("512", 3),
    "TND": ("788", 3),
}


@pytest.mark.parametrize("currency", Currency, ids=lambda currency: currency.name)
def test_a_currency_has_the_number_and_the_decimals_of_iso_4217(currency: Currency) -> None:
    assert (currency.number, currency.exponent) == ISO_4217[currency.name]
    assert Currency.of(currency.number) is currency


@pytest.mark.parametrize("name", sorted(ISO_4217.keys() - Currency.__members__.keys()))
def test_a_currency_that_is_not_known_here_is_refused_by_name_and_number(name: str) -> None:
    with pytest.raises(InvalidField):
        Currency.named(name)
    with pytest.raises(InvalidField):
        Currency.of(ISO_4217[name][0])


@pytest.mark.parametrize(
    ("text", "field_4"),
    [("1000 JPY", "000000001000"), ("65.00 USD", "000000006500"), ("1.234 BHD", "000000001234")],
)
def test_an_amount_is_counted_in_minor_units(text: str, field_4: str) -> None:
    money = Money.parse(text)
    assert f"{money.minor:012}" == field_4
    assert str(money) == text


@pytest.mark.parametrize("text", ["1000.00 JPY", "65.000 USD", "65.0 USD", "65 USD", "1.2345 BHD", "1,00 EUR"])
def test_other_decimals_than_the_currencys_are_refused(text: str) -> None:
    with pytest.raises(InvalidField, match=r"amount: must have \d decimals in"):
        Money.parse(text)


def test_a_retrieval_reference_number_is_year_day_hour_and_stan() -> None:
    noon = datetime(2025, 11, 26, 12, tzinfo=UTC)
    assert rrn_prefix(noon) + stan(123) == "533012000123"


@pytest.mark.parametrize(
    ("time", "reference", "transmitted"),
    [
        ("2026-01-01T00:00:00+00:00", "600100", "0101000000"),
        ("2028-12-31T23:59:59+00:00", "836623", "1231235959"),  # a leap year's last day
    ],
)
def test_references_hold_at_the_ends_of_years(time: str, reference: str, transmitted: str) -> None:
    moment = datetime.fromisoformat(time)
    assert (rrn_prefix(moment), transmission_time(moment)) == (reference, transmitted)
