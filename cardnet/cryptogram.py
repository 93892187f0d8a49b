"""SIM-TAVV, this simulator's token cryptogram: proof that a token was meant for one purchase.

The keys are EMV's (4.4, Book 2, annex A1, the AES branch): a token key by Option C, from it a session key by the ATC.
With it goes an AES-CMAC, cut to 8 bytes, over EMV's minimum data and what binds the token's domain: requestor and
merchant. Nothing that is proven is in the cryptogram itself: the verifier takes it from the authorisation message.
"""

import base64
import hashlib
import hmac
import struct
from datetime import date, datetime, timedelta
from enum import Enum
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from cardnet.card import PaymentToken

GREATEST_ATC = 0xFFFF
"""The Application Transaction Counter has two bytes; a token can have no more cryptograms than that."""

_LAYOUT = struct.Struct(">B8sH4s2sBBB")
"""Format and PSN, MAC, ATC, unpredictable number, AIP, key index, version, who began: 20 bytes."""

_FORMAT = 0x10  # format 1 in the high half, token sequence number 0 in the low one
_VERSION = 0xA1

_TOKEN_PSN = "00"  # noqa: S105 - a sequence number, not a secret


class Binding(Enum):
    """How the amount is bound: a half of the cryptogram's second AIP byte."""

    EXACT = 0x80
    MAXIMUM = 0x40
    """Not more than an amount that the TSP keeps with the ATC."""
    NONE = 0x00
    """Any amount will do; the MAC has zeros in its place, as real cryptograms for cards on file do."""


class Purchase(NamedTuple):
    """What a cryptogram is bound to besides token and day, as the authorisation message tells it."""

    amount_minor: int
    """What is to be paid; with Binding.MAXIMUM, the greatest amount."""
    currency: str
    """ISO 4217 number."""
    country: str
    """The merchant's, ISO 3166-1 number."""
    token_requestor_id: str
    merchant_domain: str
    merchant_id: str
    type: str = "00"
    """Processing code, first two digits: 00 is a purchase."""
    merchant_initiated: bool = False
    """Whether the merchant begins the payment: a cryptogram for the cardholder's is not good for it."""


class Container(NamedTuple):
    """A cryptogram taken apart. Nothing in it is believed before its MAC was found right."""

    mac: bytes
    atc: int
    unpredictable_number: bytes
    key_index: int
    binding: Binding
    merchant_initiated: bool


def read(text: str) -> Container | None:
    """Take a cryptogram (28 characters of base64) apart. None if its format or version is not known here."""
    try:
        fields = _LAYOUT.unpack(base64.b64decode(text, validate=True))
    except (ValueError, struct.error):
        return None
    form, mac, atc, number, aip, key_index, version, begun_by = fields
    binding, merchant_initiated = _PROFILES.get((aip, begun_by), (None, False))
    if (form, version) != (_FORMAT, _VERSION) or binding is None:
        return None
    return Container(mac, atc, number, key_index, binding, merchant_initiated)


class CryptogramKey:
    """A master key and its index. Whoever has it can make and verify cryptograms: the TSP, and an issuer if it will."""

    def __init__(self, key: bytes, index: int = 1) -> None:
        """key: 16 bytes, AES-128. index: 0 to 255, told in every cryptogram so that keys can be changed."""
        self.index = index
        # One block at a time has no state, so the keyed object serves every call.
        self._encrypt = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update  # noqa: S305 - EMV derives so

    def make(
        self,
        token: PaymentToken,
        atc: int,
        unpredictable_number: bytes,
        purchase: Purchase,
        today: date,
        binding: Binding = Binding.EXACT,
    ) -> str:
        """A cryptogram as 28 characters of base64. atc: 1 to 65535, once per token. unpredictable_number: 4 bytes."""
        mac = _mac(self._session_key(token, atc), _data(purchase, today, unpredictable_number, atc, binding))
        aip, begun_by = _aip(binding, purchase.merchant_initiated)
        container = _LAYOUT.pack(_FORMAT, mac, atc, unpredictable_number, aip, self.index, _VERSION, begun_by)
        return base64.b64encode(container).decode()

    def matches(self, container: Container, token: PaymentToken, purchase: Purchase, now: datetime) -> bool:
        """Whether a cryptogram was made with this key for this token and purchase, today or yesterday (UTC)."""
        if container.merchant_initiated != purchase.merchant_initiated:
            return False
        session_key = self._session_key(token, container.atc)
        # The day of issue is bound and not told. A cryptogram lives for minutes, and midnight may lie among them.
        for day in (now.date(), now.date() - timedelta(days=1)):
            data = _data(purchase, day, container.unpredictable_number, container.atc, container.binding)
            if hmac.compare_digest(_mac(session_key, data), container.mac):
                return True
        return False

    def _session_key(self, token: PaymentToken, atc: int) -> bytes:
        """EMV 4.4 Book 2: token key by A1.4.3 Option C, then the common session key A1.3.1, both for AES-128."""
        token_key = self._encrypt(bytes.fromhex((token.reveal() + _TOKEN_PSN).rjust(32, "0")))
        encrypt = Cipher(algorithms.AES(token_key), modes.ECB()).encryptor().update  # noqa: S305 - EMV derives so
        return encrypt(atc.to_bytes(2, "big").ljust(16, b"\0"))


def _aip(binding: Binding, merchant_initiated: bool) -> tuple[bytes, int]:
    """The AIP, which is under the MAC, and the container's last byte, which says who begins once more."""
    return bytes((0x1A, binding.value | merchant_initiated)), 2 if merchant_initiated else 1


_PROFILES = {_aip(binding, merchant): (binding, merchant) for binding in Binding for merchant in (False, True)}


def _data(purchase: Purchase, day: date, unpredictable_number: bytes, atc: int, binding: Binding) -> bytes:
    """The 47 bytes under the MAC: EMV's minimum set in EMV's order, then the token's domain."""
    merchant = f"{purchase.merchant_domain}|{purchase.merchant_id}".encode()
    amount_minor = 0 if binding is Binding.NONE else purchase.amount_minor
    return b"".join(
        (
            bytes.fromhex(f"{amount_minor:012}"),
            bytes(6),  # other amount: none
            bytes.fromhex(f"0{purchase.country}"),
            bytes(5),  # terminal verification results: there is no terminal
            bytes.fromhex(f"0{purchase.currency}{day:%y%m%d}{purchase.type}"),
            unpredictable_number,
            _aip(binding, purchase.merchant_initiated)[0],
            atc.to_bytes(2, "big"),
            bytes.fromhex(f"{purchase.token_requestor_id}F"),
            hashlib.sha256(merchant).digest()[:8],
        )
    )


def _mac(key: bytes, data: bytes) -> bytes:
    cmac = CMAC(algorithms.AES(key))  # each session key serves once, so there is no keyed object to keep
    cmac.update(data)
    return cmac.finalize()[:8]
