"""The test cards: each brings its outcome about by what it is, so that a test needs no switch.

The accounts stand at the issuer from the start. An account that is lost, expired or empty can be put on file all the
same: it behaves as if it had gone bad after the card was saved. A card whose issuer does not verify its account cannot.
"""

from dataclasses import dataclass
from typing import Literal

from cardnet.card import luhn_digit
from cardnet.errors import InvalidField
from cardnet.money import Currency, Money
from cardnet.response_code import ResponseCode

Status = Literal["OPEN", "LOST", "STOLEN", "BLOCKED", "DO_NOT_HONOUR", "SILENT"]
Verification = Literal["ACCOUNT", "PASSCODE", "PASSCODE_WRONG", "DECLINE", "INELIGIBLE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCard:
    """A card that anybody may use here, and what comes of saving it and paying with it."""

    __test__ = False  # not a test itself, whatever pytest thinks of the name

    name: str
    pan: str
    expiry: str
    """As YYMM."""
    balance: Money
    status: Status = "OPEN"
    purchase_limit: Money | None = None
    token_state: Literal["ACTIVE", "SUSPENDED"] = "ACTIVE"  # noqa: S105 - a state, not a secret
    verification: Verification = "ACCOUNT"
    """What its issuer does to verify the account before a token is issued."""
    successor: str = ""
    """The number of the card that replaced it, with the same expiry and an account in order. Empty: none did."""
    saving_outcome: ResponseCode = ResponseCode.APPROVED
    """What comes of saving it. Where that is a refusal there is nothing to pay with, and `outcome` is the same."""
    outcome: ResponseCode
    """What comes of saving it and paying with it at once."""
    note: str

    @property
    def last_four(self) -> str:
        """The last four digits, by which the card may be shown."""
        return self.pan[-4:]


def _pan(bin_: str, number: int) -> str:
    digits = f"{bin_}{number:07}"
    return digits + luhn_digit(digits)


_CREDIT, _DEBIT = "99990000", "99991000"
_PLENTY = Money(1_000_000, Currency.USD)

TEST_CARDS = (
    TestCard(
        name="approved",
        pan=_pan(_CREDIT, 1),
        expiry="3011",
        balance=_PLENTY,
        outcome=ResponseCode.APPROVED,
        note="credit, 10000.00 USD",
    ),
    TestCard(
        name="approved-debit",
        pan=_pan(_DEBIT, 1),
        expiry="3011",
        balance=_PLENTY,
        outcome=ResponseCode.APPROVED,
        note="debit, 10000.00 USD",
    ),
    TestCard(
        name="approved-eur",
        pan=_pan(_CREDIT, 2),
        expiry="3011",
        balance=Money(1_000_000, Currency.EUR),
        outcome=ResponseCode.APPROVED,
        note="credit, 10000.00 EUR",
    ),
    TestCard(
        name="approved-jpy",
        pan=_pan(_CREDIT, 3),
        expiry="3011",
        balance=Money(1_000_000, Currency.JPY),
        outcome=ResponseCode.APPROVED,
        note="credit, 1000000 JPY: a currency without decimals",
    ),
    TestCard(
        name="approved-kwd",
        pan=_pan(_CREDIT, 4),
        expiry="3011",
        balance=Money(10_000_000, Currency.KWD),
        outcome=ResponseCode.APPROVED,
        note="credit, 10000.000 KWD: a currency with three decimals",
    ),
    TestCard(
        name="insufficient-funds",
        pan=_pan(_CREDIT, 51),
        expiry="3011",
        balance=Money(100, Currency.USD),
        outcome=ResponseCode.INSUFFICIENT_FUNDS,
        note="1.00 USD is all there is",
    ),
    TestCard(
        name="over-limit",
        pan=_pan(_CREDIT, 61),
        expiry="3011",
        balance=_PLENTY,
        purchase_limit=Money(500, Currency.USD),
        outcome=ResponseCode.LIMIT_EXCEEDED,
        note="at most 5.00 USD a purchase",
    ),
    TestCard(
        name="expired",
        pan=_pan(_CREDIT, 54),
        expiry="2001",
        balance=_PLENTY,
        outcome=ResponseCode.EXPIRED_CARD,
        note="since January 2020",
    ),
    TestCard(
        name="lost",
        pan=_pan(_CREDIT, 41),
        expiry="3011",
        balance=_PLENTY,
        status="LOST",
        outcome=ResponseCode.LOST_CARD,
        note="reported lost",
    ),
    TestCard(
        name="stolen",
        pan=_pan(_CREDIT, 43),
        expiry="3011",
        balance=_PLENTY,
        status="STOLEN",
        outcome=ResponseCode.STOLEN_CARD,
        note="reported stolen",
    ),
    TestCard(
        name="blocked",
        pan=_pan(_CREDIT, 62),
        expiry="3011",
        balance=_PLENTY,
        status="BLOCKED",
        outcome=ResponseCode.RESTRICTED_CARD,
        note="the issuer blocked the card",
    ),
    TestCard(
        name="do-not-honour",
        pan=_pan(_CREDIT, 5),
        expiry="3011",
        balance=_PLENTY,
        status="DO_NOT_HONOUR",
        outcome=ResponseCode.DO_NOT_HONOUR,
        note="declined without a reason",
    ),
    TestCard(
        name="suspended-token",
        pan=_pan(_CREDIT, 78),
        expiry="3011",
        balance=_PLENTY,
        token_state="SUSPENDED",  # noqa: S106 - a state, not a secret
        outcome=ResponseCode.RESTRICTED_CARD,
        note="its tokens are suspended: step 4 refuses, the issuer is not asked",
    ),
    TestCard(
        name="ineligible",
        pan=_pan(_CREDIT, 57),
        expiry="3011",
        balance=_PLENTY,
        verification="INELIGIBLE",
        saving_outcome=ResponseCode.NOT_PERMITTED_TO_CARD,
        outcome=ResponseCode.NOT_PERMITTED_TO_CARD,
        note="cannot be saved: its issuer has no tokens for it",
    ),
    TestCard(
        name="idv-declined",
        pan=_pan(_CREDIT, 105),
        expiry="3011",
        balance=_PLENTY,
        verification="DECLINE",
        saving_outcome=ResponseCode.DO_NOT_HONOUR,
        outcome=ResponseCode.DO_NOT_HONOUR,
        note="cannot be saved: its issuer declines to verify the account",
    ),
    TestCard(
        name="step-up",
        pan=_pan(_CREDIT, 55),
        expiry="3011",
        balance=_PLENTY,
        verification="PASSCODE",
        outcome=ResponseCode.TOKEN_NOT_IN_USE,
        note="its token is inactive until its issuer's one-time passcode is given: then 00",
    ),
    TestCard(
        name="step-up-failed",
        pan=_pan(_CREDIT, 75),
        expiry="3011",
        balance=_PLENTY,
        verification="PASSCODE_WRONG",
        outcome=ResponseCode.TOKEN_NOT_IN_USE,
        note="its token stays inactive: no passcode is ever right",
    ),
    TestCard(
        name="replaced",
        pan=_pan(_CREDIT, 141),
        expiry="3011",
        balance=_PLENTY,
        status="LOST",
        successor=_pan(_CREDIT, 142),
        outcome=ResponseCode.LOST_CARD,
        note=f"lost; replaced by {_pan(_CREDIT, 142)}, to which its token can be moved: then 00",
    ),
    TestCard(
        name="issuer-down",
        pan=_pan(_CREDIT, 91),
        expiry="3011",
        balance=_PLENTY,
        status="SILENT",
        outcome=ResponseCode.ISSUER_UNAVAILABLE,
        note="its issuer never answers: the network does, and reverses",
    ),
)
"""Every test card. `cardnet cards` prints them."""


def test_card(name: str) -> TestCard:
    """The test card of that name; InvalidField names those that there are."""
    for card in TEST_CARDS:
        if card.name == name:
            return card
    raise InvalidField("card", f"must be one of {', '.join(card.name for card in TEST_CARDS)}")


test_card.__test__ = False  # type: ignore[attr-defined]
