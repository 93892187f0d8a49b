"""The token service provider's rules: their order, their answers, and that they speak the protos' language."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from cardnet.card import CARD_RANGES, Expiry, Pan, token_range
from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.response_code import ResponseCode
from cardnet.v1 import payment_pb2, token_pb2
from services.tsp.checks import Finding, Use, Verdict, verify
from services.tsp.domain import (
    RESPONSE_CODES,
    Assurance,
    Cause,
    Control,
    EntryMode,
    Initiator,
    Location,
    Party,
    Refusal,
    TokenRecord,
    TokenState,
    Usage,
    new_record,
    token_number,
)
from services.tsp.requestors import REQUESTORS

TODAY = date(2026, 11, 22)
PAN = Pan("9999000000000012")
TRUE = Assurance("10", "issuer account verification")
GOOD = new_record(PAN, REQUESTORS[1], TokenState.ACTIVE, par="SIMX" + "A" * 25, assurance=TRUE, today=TODAY)
USE = Use("00000000002", "MERCHANT0000001", "shop.example", EntryMode.ECOMMERCE, GOOD.token_expiry, Finding.RIGHT)
ALL = tuple(Control)[:7]
"""The controls of a payment that the cardholder begins with a token for many uses."""

DELETED = replace(GOOD, state=TokenState.DELETED, token_expiry=Expiry(2026, 10))
OLD = replace(GOOD, token_expiry=Expiry(2026, 10))
WORST = Use("00000000001", "MERCHANT0000002", "shop.example", EntryMode.MANUAL, Expiry(2029, 12), Finding.ABSENT)
REQUESTOR_MENDED = WORST._replace(token_requestor_id="00000000002")
MERCHANT_MENDED = REQUESTOR_MENDED._replace(merchant_id="MERCHANT0000001")
MODE_MENDED = MERCHANT_MENDED._replace(entry_mode=EntryMode.ECOMMERCE)
EXPIRY_MENDED = MODE_MENDED._replace(token_expiry=OLD.token_expiry)
NOT_EXPIRED = MODE_MENDED._replace(token_expiry=GOOD.token_expiry)


@pytest.mark.parametrize(
    ("record", "use", "refusal", "passed"),
    [
        (None, WORST, Refusal.TOKEN_UNKNOWN, 0),
        (DELETED, WORST, Refusal.TOKEN_REQUESTOR_MISMATCH, 1),
        (DELETED, REQUESTOR_MENDED, Refusal.MERCHANT_NOT_ALLOWED, 2),
        (DELETED, MERCHANT_MENDED, Refusal.ENTRY_MODE_NOT_ALLOWED, 3),
        (DELETED, MODE_MENDED, Refusal.TOKEN_DELETED, 4),
        (replace(DELETED, state=TokenState.SUSPENDED), MODE_MENDED, Refusal.TOKEN_SUSPENDED, 4),
        (replace(DELETED, state=TokenState.INACTIVE), MODE_MENDED, Refusal.TOKEN_INACTIVE, 4),
        (OLD, MODE_MENDED, Refusal.TOKEN_EXPIRY_MISMATCH, 5),
        (OLD, EXPIRY_MENDED, Refusal.TOKEN_EXPIRED, 5),
        (GOOD, NOT_EXPIRED, Refusal.CRYPTOGRAM_MISSING, 6),
        (GOOD, NOT_EXPIRED._replace(cryptogram=Finding.FORMAT_UNKNOWN), Refusal.CRYPTOGRAM_FORMAT, 6),
        (GOOD, NOT_EXPIRED._replace(cryptogram=Finding.KEY_UNKNOWN), Refusal.CRYPTOGRAM_KEY_UNKNOWN, 6),
        (GOOD, NOT_EXPIRED._replace(cryptogram=Finding.WRONG), Refusal.CRYPTOGRAM_WRONG, 6),
        (GOOD, NOT_EXPIRED._replace(cryptogram=Finding.RIGHT), Refusal.NONE, 7),
    ],
)
def test_the_first_rule_that_is_broken_answers(
    record: TokenRecord | None, use: Use, refusal: Refusal, passed: int
) -> None:
    assert verify(record, use, TODAY) == Verdict(refusal, ALL[:passed])


def test_a_control_that_has_nothing_to_check_is_not_said_to_have_passed() -> None:
    on_file = replace(GOOD, domain=REQUESTORS[0].domain)
    bare = USE._replace(token_requestor_id="", cryptogram=Finding.ABSENT)
    passed = verify(on_file, bare, TODAY).passed
    assert passed == tuple(c for c in ALL if c not in (Control.TOKEN_REQUESTOR_ID, Control.CRYPTOGRAM))


def test_a_cryptogram_left_to_the_issuer_is_not_said_to_have_passed() -> None:
    verdict = verify(GOOD, USE._replace(cryptogram=Finding.LEFT_TO_ISSUER), TODAY)
    assert verdict == Verdict(Refusal.NONE, ALL[:-1])


def test_a_merchant_needs_the_right_identifier_and_the_right_site() -> None:
    refused = verify(GOOD, USE._replace(merchant_domain="other.example"), TODAY)
    assert refused.refusal is Refusal.MERCHANT_NOT_ALLOWED


@pytest.mark.parametrize(
    ("today", "refusal"),
    [(date(2029, 11, 30), Refusal.NONE), (date(2029, 12, 1), Refusal.TOKEN_EXPIRED)],
)
def test_a_token_lives_for_three_years_until_the_end_of_the_month(today: date, refusal: Refusal) -> None:
    assert str(GOOD.token_expiry) == "2911"
    assert verify(GOOD, USE, today).refusal is refusal
    assert GOOD.usable_from(today) is not bool(refusal)


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (Refusal, pb.Refusal, "REFUSAL_"),
        (Control, pb.Control, "CONTROL_"),
        (TokenState, token_pb2.TokenState, "TOKEN_STATE_"),
        (Usage, token_pb2.TokenUsage, "TOKEN_USAGE_"),
        (Location, token_pb2.TokenLocation, "TOKEN_LOCATION_"),
        (Party, token_pb2.Party, "PARTY_"),
        (Cause, token_pb2.Cause, "CAUSE_"),
        (Initiator, payment_pb2.Initiator, "INITIATOR_"),
        (EntryMode, payment_pb2.PosEntryMode, "POS_ENTRY_MODE_"),
    ],
)
def test_our_enumerations_agree_with_the_protos(ours: Any, theirs: Any, prefix: str) -> None:
    named = {prefix + member.name: member.value for member in ours if member.value}
    assert named == {name: number for name, number in theirs.items() if number}


def test_every_refusal_has_its_response_code() -> None:
    assert set(RESPONSE_CODES) == set(Refusal)
    assert [refusal for refusal, code in RESPONSE_CODES.items() if code is ResponseCode.APPROVED] == [Refusal.NONE]


@pytest.mark.parametrize("chance", ["0" * 19, "9" * 19, "1234567890123456789"])
@pytest.mark.parametrize("range_", CARD_RANGES, ids=lambda range_: range_.issuer)
def test_a_token_is_drawn_from_the_range_that_belongs_to_the_card(range_: Any, chance: str) -> None:
    token = token_number(range_, chance).reveal()
    assert len(token) == 16
    assert token_range(token) is range_


def test_all_bins_of_a_token_range_are_used() -> None:
    range_ = CARD_RANGES[0]
    bins = range(int(range_.token_low), int(range_.token_high) + 1)
    drawn = {token_number(range_, f"{'0' * 7}{number:012}").reveal()[:8] for number in range(len(bins))}
    assert drawn == set(map(str, bins))


def test_no_requestor_is_registered_twice() -> None:
    assert len({requestor.token_requestor_id for requestor in REQUESTORS}) == len(REQUESTORS)
