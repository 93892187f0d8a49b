"""What every refusal of step 4 has in common, and cryptograms that earn one."""

import base64

from tap import Tap

from cardnet.cde.v1.token_vault_pb2 import DetokeniseResponse, Refusal
from cardnet.response_code import ResponseCode as Code
from cardnet.steps import WITHOUT_ISSUER
from cardnet.testing import Payment


def refused(payment: Payment, tap: Tap, code: Code, reason: str) -> None:
    """Step 4 refused for this reason, nobody asked the issuer, and the shop heard the code and no more."""
    assert payment.response_code is code
    assert payment.steps == WITHOUT_ISSUER
    assert not payment.trace.missing
    assert Refusal.Name(tap.all(DetokeniseResponse)[-1].refusal) == f"REFUSAL_{reason}"
    assert not tap.calls("Authorise")


def altered(cryptogram: str, place: int) -> str:
    """The cryptogram with one bit of one byte turned over."""
    raw = bytearray(base64.b64decode(cryptogram))
    raw[place] ^= 0x40
    return base64.b64encode(raw).decode()
