"""The shop's rules, as tables."""

import pytest

from cardnet.card import Expiry, PaymentToken
from cardnet.response_code import ResponseCode as Code
from cardnet.rules import RULES
from services.merchant.domain import (
    CardOnFile,
    card_on_file_id,
    confirming_notice,
    entry_mode,
    original_fault,
    payment_notice,
    saving_notice,
    source_fault,
)


def on_file(*entry_modes: int) -> CardOnFile:
    return CardOnFile(
        token=PaymentToken("9999400000000014"),
        token_expiry=Expiry(2029, 11),
        token_requestor_id="00000000001",
        token_reference_id="ref-1",
        par="S" * 29,
        pan_last_four="0012",
        entry_modes=frozenset(entry_modes),
    )


@pytest.mark.parametrize(
    ("card", "mode"),
    [
        (on_file(10, 81), 10),
        (on_file(10), 10),
        (on_file(81), 81),  # the token's domain does not agree to credential on file
        (on_file(), 81),
        (None, 81),  # the caller brought the token data
    ],
)
def test_a_credential_is_called_on_file_where_the_token_s_domain_agrees(card: CardOnFile | None, mode: int) -> None:
    assert entry_mode(card, begun_by_shop=False) == mode


@pytest.mark.parametrize("modes", [(10, 81), (81,), ()])
def test_what_the_shop_begins_itself_is_always_a_credential_on_file(modes: tuple[int, ...]) -> None:
    assert entry_mode(on_file(*modes), begun_by_shop=True) == 10


@pytest.mark.parametrize(
    ("card_on_file_id", "token_data", "fault"),
    [
        (True, False, None),
        (False, True, None),
        (True, True, "must be left out where token_data is given"),
        (False, False, "must be given, or token_data in its place"),
    ],
)
def test_one_thing_is_paid_with(card_on_file_id: bool, token_data: bool, fault: str | None) -> None:
    assert source_fault(card_on_file_id=card_on_file_id, token_data=token_data) == fault


@pytest.mark.parametrize(
    ("original_rrn", "card_on_file_id", "allowed"),
    [(True, True, True), (False, True, True), (False, False, True), (True, False, False)],
)
def test_an_original_payment_goes_with_a_card_on_file(original_rrn: bool, card_on_file_id: bool, allowed: bool) -> None:
    fault = original_fault(original_rrn=original_rrn, card_on_file_id=card_on_file_id)
    assert (fault is None) is allowed


def test_a_card_on_file_has_one_name_for_each_customer() -> None:
    assert card_on_file_id("alice", "ref-1") == card_on_file_id("alice", "ref-1")
    names = {card_on_file_id(customer, ref) for customer in ("alice", "bob", "alic") for ref in ("ref-1", "eref-1")}
    assert len(names) == 6
    assert all(RULES["KEY"].check(name) is None for name in names)


def test_a_card_on_file_does_not_print_its_token() -> None:
    assert "99994000" not in repr(on_file(81))


@pytest.mark.parametrize("code", list(Code))
def test_every_answer_has_words_for_the_customer(code: Code) -> None:
    for notice in (
        payment_notice(code),
        saving_notice(code),
        saving_notice(code, passcode_sent=True),
        confirming_notice(code),
    ):
        assert RULES["TEXT"].check(notice) is None
        assert code not in notice, "a customer is told what to do, not a number"


@pytest.mark.parametrize("code", [code for code in Code if not code.approved])
def test_no_refusal_sounds_like_a_yes(code: Code) -> None:
    assert payment_notice(code) != Code.APPROVED.notice
    assert "not saved" in saving_notice(code)
    assert "not saved" in saving_notice(code, passcode_sent=True)
    assert "not confirmed" in confirming_notice(code)


def test_a_code_from_beyond_this_network_is_a_plain_no() -> None:
    assert payment_notice("ZZ") == "The payment was declined. Please use another card."
    assert saving_notice("ZZ") == "The card was not saved. Please use another card."
    assert confirming_notice("ZZ") == "The card was not confirmed. Please try again later."
