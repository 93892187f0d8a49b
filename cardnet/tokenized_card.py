"""What a wallet gives a shop (W3C Tokenized Card Payment): `encryptedDetails`, a JWE to the shop's own key.

In it (cardnet/envelope.py) are the members of the document's EncryptedTokenizedCard and, where the page asked for it,
claims that bind them to one payment request. Nothing is signed: it is the cryptogram that proves where a token came
from, and the network checks it. The shop judges everything else here, member by member.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.jwk import RSAKey

from cardnet import envelope
from cardnet.card import Expiry, PaymentToken
from cardnet.errors import InvalidField
from cardnet.payment_request import CLAIMS, Claims
from cardnet.rules import RULES

LONGEST = 4_096
"""The most characters that a JWE may have."""

CRYPTOGRAM_TYPES = ("SIM-TAVV", "UCAF")
"""What `typeOfCryptogram` may say: this simulator's own name, and the one that most networks' documents use."""

_YEAR = re.compile(r"20[0-9]{2}")
_MONTH = re.compile(r"0[1-9]|1[0-2]")

_REQUIRED = ("cardNumber", "expiryMonth", "expiryYear", "cryptogram")
_OPTIONAL = ("typeOfCryptogram", "trid", "eci")
_LAST_DRAFT = {
    "par": RULES["PAR"].check,
    "tokenReferenceID": RULES["KEY"].check,
    "tokenRequestorKey": RULES["URL"].check,
}
"""What the last draft adds. It is held to its form, and not believed: the shop asks its token service provider."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TokenizedCard:
    """The document's EncryptedTokenizedCard, in this network's words."""

    token: PaymentToken
    """cardNumber."""
    token_expiry: Expiry
    """expiryMonth and expiryYear: the token's own, not the card's."""
    cryptogram: str
    """Of one purchase: 28 characters of base64."""
    cryptogram_type: str = CRYPTOGRAM_TYPES[0]
    """typeOfCryptogram."""
    token_requestor_id: str = ""
    """trid: 11 digits; empty where the wallet does not say."""
    eci: str = ""
    """The electronic commerce indicator: 2 digits, or empty."""
    claims: Claims | None = None
    """To which payment request it is bound, if to one."""

    @property
    def members(self) -> dict[str, Any]:
        """As the document writes it; what is empty is left out."""
        written = {
            "cardNumber": self.token.reveal(),
            "expiryMonth": f"{self.token_expiry.month:02}",
            "expiryYear": f"{self.token_expiry.year:04}",
            "cryptogram": self.cryptogram,
            "typeOfCryptogram": self.cryptogram_type,
            "trid": self.token_requestor_id,
            "eci": self.eci,
        }
        bound = self.claims.members if self.claims else {}
        return {name: value for name, value in written.items() if value} | bound


def encrypt(members: Mapping[str, Any], jwk: Mapping[str, str]) -> str:
    """The wallet's side: a compact JWE of these members (`TokenizedCard.members`), whatever they say.

    jwk: what is had at the shop's keyProviderURL, with its kid. ValueError if its key has less than 2048 bits.
    """
    key = RSAKey.import_key(dict(jwk))
    if key.public_key.key_size < 2048:
        raise ValueError("the key must be RSA of 2048 bits or more")
    return envelope.seal(members, jwk["kid"], key)


def decrypt(encrypted: str, key_id: str, key: RSAKey) -> TokenizedCard:
    """The shop's side: what is in a JWE to its key. InvalidField names the member and its rule, never the value.

    The header is no secret, so it is told what is wrong with that. Of the rest it is not: that helps who guesses alone.
    """
    _check_header(encrypted, key_id)
    try:
        members = envelope.open_with(encrypted, key)
    except envelope.NOT_OF_THE_PROFILE:
        raise _fault("", "must be a JSON object with each member once, encrypted to this shop's key") from None
    return _read(members)


def _check_header(encrypted: str, key_id: str) -> None:
    if len(encrypted) > LONGEST or not envelope.is_canonical(encrypted):
        raise _fault("", f"must be a compact JWE of at most {LONGEST:,} characters: five parts in base64url")
    try:
        named = envelope.key_id_of(encrypted)
    except (ValueError, RecursionError):
        raise _fault(
            "", "must have alg RSA-OAEP-256, enc A256GCM and kid in its header, once each, and nothing else"
        ) from None
    if named != key_id:
        raise _fault("", "must name this shop's key in kid: fetch the payment key again")


def _read(members: dict[str, Any]) -> TokenizedCard:
    if not members.keys() <= {*_REQUIRED, *_OPTIONAL, *_LAST_DRAFT, *CLAIMS}:
        raise _fault("", "must have no members but those of the two drafts, and the claims of a payment request")
    texts = {name: _text(members, name) for name in (*_REQUIRED, *_OPTIONAL, *_LAST_DRAFT)}
    _check(texts)
    try:
        return TokenizedCard(
            token=_token(texts["cardNumber"]),
            token_expiry=Expiry.parse(texts["expiryYear"][2:] + texts["expiryMonth"]),
            cryptogram=texts["cryptogram"],
            cryptogram_type=texts["typeOfCryptogram"] or CRYPTOGRAM_TYPES[0],
            token_requestor_id=texts["trid"],
            eci=texts["eci"],
            claims=Claims.read(members),
        )
    except InvalidField as violation:
        raise violation.within("encrypted_details") from None


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name, "")
    if not isinstance(value, str) or (name in members and not value):
        raise _fault(name, "must be a text that is not empty")
    if name in _REQUIRED and not value:
        raise _fault(name, "must be given")
    return value


def _check(texts: dict[str, str]) -> None:
    if not _MONTH.fullmatch(texts["expiryMonth"]):
        raise _fault("expiryMonth", "must be 01 to 12")
    if not _YEAR.fullmatch(texts["expiryYear"]):
        raise _fault("expiryYear", "must be 2000 to 2099")
    if texts["typeOfCryptogram"] not in ("", *CRYPTOGRAM_TYPES):
        raise _fault("typeOfCryptogram", f"must be one of {', '.join(CRYPTOGRAM_TYPES)}")
    for name, check in _CHECKS.items():
        broken = check(texts[name]) if texts[name] else None
        if broken:
            raise _fault(name, broken)


_CHECKS = {
    "cryptogram": RULES["CRYPTOGRAM"].check,
    "trid": RULES["TOKEN_REQUESTOR_ID"].check,
    "eci": RULES["ECI"].check,
    **_LAST_DRAFT,
}


def _token(digits: str) -> PaymentToken:
    try:
        return PaymentToken(digits)
    except InvalidField as violation:
        raise InvalidField("cardNumber", violation.rule) from None


def _fault(member: str, rule: str) -> InvalidField:
    return InvalidField(f"encrypted_details.{member}" if member else "encrypted_details", rule)
