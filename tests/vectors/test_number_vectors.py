"""Card numbers: public test numbers, which pass Luhn and are refused all the same, and this simulator's own plan."""

import pytest

from cardnet.card import Pan, PaymentToken, card_range, luhn_digit, luhn_valid, pan_fault, token_fault, token_range
from cardnet.errors import InvalidField

PUBLIC = (
    "4111111111111111",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "6011111111111117",
    "30569309025904",
    "3056930009020004",
    "3566002020360505",
    "3530111333300000",
    "6200000000000005",
    # Tokens that networks published as samples.
    "4895370013193500",
    "4895370012792682",
    "4268270087302871",
    "5226603115488031",
    "5413330089010442",
    "5413339000001513",
)
CARDS = {"9999000000000012": "credit", "9999100000000010": "debit"}
TOKENS = {"9999400000000014": "credit", "9999401234567893": "credit"}


@pytest.mark.parametrize("number", [*PUBLIC, *CARDS, *TOKENS])
def test_the_check_digit_is_right_and_any_other_is_wrong(number: str) -> None:
    assert luhn_digit(number[:-1]) == number[-1]
    assert [digit for digit in "0123456789" if luhn_valid(number[:-1] + digit)] == [number[-1]]


@pytest.mark.parametrize("number", PUBLIC)
def test_a_number_that_could_be_a_real_cards_is_neither_card_nor_token_here(number: str) -> None:
    assert "never use a real card here" in str(pan_fault(number))
    for kind in (Pan, PaymentToken):
        with pytest.raises(InvalidField) as refused:
            kind(number)
        assert number not in str(refused.value)


@pytest.mark.parametrize(("number", "type_"), CARDS.items())
def test_a_card_of_the_plan_is_a_card_and_no_token(number: str, type_: str) -> None:
    found = card_range(number)
    assert found
    assert found.type == type_
    assert Pan(number).reveal() == number
    assert token_fault(number)


@pytest.mark.parametrize(("number", "type_"), TOKENS.items())
def test_a_token_of_the_plan_is_a_token_and_no_card(number: str, type_: str) -> None:
    found = token_range(number)
    assert found
    assert found.type == type_
    assert PaymentToken(number).reveal() == number
    assert pan_fault(number)


@pytest.mark.parametrize(
    ("bin_", "kind"),
    [
        ("99989999", "neither"),
        ("99990000", "card"),
        ("99990099", "card"),
        ("99990100", "neither"),
        ("99991000", "card"),
        ("99991099", "card"),
        ("99991100", "neither"),
        ("99993999", "neither"),
        ("99994000", "token"),
        ("99994009", "token"),
        ("99994100", "token"),
        ("99994109", "token"),
        ("99994200", "neither"),
    ],
)
def test_each_range_ends_where_the_plan_says(bin_: str, kind: str) -> None:
    number = f"{bin_}0000000"
    number += luhn_digit(number)
    assert (not pan_fault(number), not token_fault(number)) == (kind == "card", kind == "token")
