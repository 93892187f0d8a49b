"""Traces as cardnet records them, made by hand: what the tests of reading traces begin with."""

from cardnet.traces.iso8583 import NUMBERS
from cardnet.traces.trace import Trace, TracedStep

ID = "0af7651916cd43dd8448eb211c80319c"
SHOP = {"merchant_id": "MERCHANT0000002", "merchant_domain": "books.example", "merchant_name": "Books"}
TOKEN = {"payment_token": "••••0016", "token_expiry": "2912"}
CARD = {"pan": "••••1111", "pan_expiry": "3011"}
ASKED = {**TOKEN, **SHOP, "amount_minor": "1240", "currency": "840", "pos_entry_mode": "ECOMMERCE"}
NUMBERED = {"stan": "000001", "rrn": "432615000001"}
MS = 1_000_000
CALLS = {
    1: (0, 100),
    2: (10, 90),
    3: (20, 80),
    4: (30, 40),
    5: (50, 70),
    6: (55, 65),
    7: (25, 78),
    8: (15, 88),
    9: (0, 100),
}


def step(number: int, fault: str = "", *, frozen: bool = False, **fields: str) -> TracedStep:
    """One step, its call at a fixed time, in milliseconds since 1970."""
    begin, end = (0, 0) if frozen else CALLS[number]
    numbers = {name: NUMBERS[name] for name in fields if name in NUMBERS}
    if number == 5:
        # At the issuer the token stands beside the PAN, and not in field 2.
        numbers = {name: at for name, at in numbers.items() if name not in TOKEN}
    return TracedStep(number, fields, numbers, begin * MS, end * MS, fault)


def asking(*, frozen: bool = False) -> tuple[TracedStep, ...]:
    """Steps 1 to 3."""
    return (
        step(1, frozen=frozen, idempotency_key="pay1", **ASKED),
        step(2, frozen=frozen, payment_reference="pay1", **ASKED),
        step(3, frozen=frozen, **ASKED, **NUMBERED),
    )


def answering(code: str, *numbers: int, frozen: bool = False) -> tuple[TracedStep, ...]:
    """Those of the steps 7 to 9 that are wanted, with an answer."""
    said = {7: {**TOKEN, **NUMBERED}, 8: {**TOKEN, **NUMBERED}, 9: {"notice": "Thank you.", "rrn": NUMBERED["rrn"]}}
    return tuple(step(number, frozen=frozen, response_code=code, **said[number]) for number in numbers or (7, 8, 9))


TOLD = step(
    4, **ASKED, **NUMBERED, **CARD, controls_passed="TOKEN, MERCHANT, POS_ENTRY_MODE, TOKEN_STATE, TOKEN_EXPIRY"
)


def answered(code: str) -> Trace:
    """All nine steps: the issuer gave this answer."""
    issuer = (
        step(5, **CARD, **TOKEN, amount_minor="1240", currency="840"),
        step(6, response_code=code, pan=CARD["pan"]),
    )
    return Trace(ID, (*asking(), TOLD, *issuer, *answering(code)))


def refused(refusal: str, code: str, passed: str = "TOKEN") -> Trace:
    """The token service provider refused."""
    told = step(4, **ASKED, **NUMBERED, refusal=refusal, response_code=code, controls_passed=passed)
    return Trace(ID, (*asking(), told, *answering(code)))


RUBBISH = Trace(
    '00"><script>alert(1)</script>',
    [
        TracedStep(
            number,
            {
                "amount_minor": "<script>" * 30,
                "currency": "\x07",
                "response_code": "]]>&<;#end\n" * 20,
                "\x1b]0;": "漢字" * 80,
                "notice": "\r'\"" * 90,
                "refusal": "X_" * 300,
                "pan": "\u202e1234" * 40,
                "controls_passed": ", ".join(["ABC"] * 400),
                **{f"f{at}": "&amp;" * at for at in range(60)},
            },
            {"pan": 10**9, "amount_minor": -4},
            2**64 - 1 if number == 3 else 5,
            7,
            "\x1b<b>" * 20,
        )
        for number in range(1, 10)
    ],
    ["<b>\x1b" * 90] * 9,
)
"""What nobody's service would record."""
