"""The shop's rules, as tables."""

from dataclasses import replace
from itertools import combinations

import pytest

from cardnet.card import Expiry, PaymentToken
from cardnet.response_code import ResponseCode as Code
from cardnet.rules import RULES
from cardnet.v1.token_pb2 import TokenUsage
from services.merchant.domain import (
    SOURCES,
    CardOnFile,
    RequestorIds,
    Usage,
    agreement_fault,
    card_on_file_id,
    confirming_notice,
    entry_mode,
    name_on_file,
    original_fault,
    payment_notice,
    saving_fault,
    saving_notice,
    source_fault,
    typing_notice,
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


@pytest.mark.parametrize("source", SOURCES)
def test_any_one_thing_may_be_paid_with(source: str) -> None:
    assert source_fault([source]) is None


def test_one_thing_is_paid_with() -> None:
    field, rule = source_fault([])
    assert (field, rule) == (
        "card_on_file_id",
        "must be given, or token_data, browser_card or tokenized_card in its place",
    )
    for given in combinations(SOURCES, 2):
        assert source_fault(given) == (given[0], f"must be left out where {given[1]} is given")


@pytest.mark.parametrize("source", SOURCES)
def test_an_original_payment_goes_with_a_card_on_file(source: str) -> None:
    assert original_fault(source, "") is None
    fault = original_fault(source, "632609000001")
    assert (fault is None) is (source == "card_on_file_id")
    assert fault is None or fault.field == "original_rrn"


@pytest.mark.parametrize("usage", list(Usage))
@pytest.mark.parametrize("source", SOURCES)
def test_a_card_that_the_customer_brings_may_be_kept_unless_it_pays_once(source: str, usage: Usage) -> None:
    assert saving_fault(source, "", usage) is None
    fault = saving_fault(source, "alice", usage)
    may = source == "browser_card" or (source == "tokenized_card" and usage is not Usage.ONE_TIME)
    assert (fault is None) is may
    assert fault is None or fault.field == "save_for_customer_id"


@pytest.mark.parametrize(
    ("usage", "agreement", "named", "may"),
    [
        (Usage.CARD_ON_FILE, "", "", True),
        (Usage.CARD_ON_FILE, "", "632609000001", True),  # the token service provider has the last word
        (Usage.RECURRING, "632609000001", "632609000001", True),
        (Usage.RECURRING, "632609000001", "632609000002", False),
        (Usage.RECURRING, "632609000001", "", False),
    ],
)
def test_a_card_for_recurring_payments_serves_its_agreement_alone(
    usage: Usage, agreement: str, named: str, may: bool
) -> None:
    fault = agreement_fault(replace(on_file(81), usage=usage, agreement_rrn=agreement), named)
    assert (fault is None) is may
    assert fault is None or (fault.field, "only for its agreement" in fault.rule) == ("original_rrn", True)


def test_the_shop_has_an_identifier_for_each_use() -> None:
    ids = RequestorIds("4", "1", "5")
    assert [ids.of(usage) for usage in Usage] == ["4", "1", "5"]
    assert {usage.name: usage.value for usage in Usage} == {
        name.removeprefix("TOKEN_USAGE_"): number for name, number in TokenUsage.items() if number
    }


def test_one_card_has_a_name_for_each_agreement() -> None:
    first, second = (replace(on_file(), agreement_rrn=rrn) for rrn in ("632609000001", "632609000002"))
    assert len({name_on_file("alice", card) for card in (on_file(), first, second)}) == 3
    assert name_on_file("alice", on_file()) == card_on_file_id("alice", "ref-1")


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
        typing_notice(code),
        saving_notice(code),
        saving_notice(code, passcode_sent=True),
        confirming_notice(code),
    ):
        assert RULES["TEXT"].check(notice) is None
        assert code not in notice, "a customer is told what to do, not a number"


@pytest.mark.parametrize("code", [code for code in Code if not code.approved])
def test_no_refusal_sounds_like_a_yes(code: Code) -> None:
    assert payment_notice(code) != Code.APPROVED.notice != typing_notice(code)
    assert "not saved" in saving_notice(code)
    assert "not saved" in saving_notice(code, passcode_sent=True)
    assert "not confirmed" in confirming_notice(code)


def test_a_code_from_beyond_this_network_is_a_plain_no() -> None:
    assert payment_notice("ZZ") == "The payment was declined. Please use another card."
    assert saving_notice("ZZ") == "The card was not saved. Please use another card."
    assert confirming_notice("ZZ") == "The card was not confirmed. Please try again later."
