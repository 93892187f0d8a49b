"""Who may call what: one table, deny by default.

A caller shows a credential, a random secret that its network made at the start; a service knows the SHA-256 of the
credentials of those who may call it. Credentials travel in clear text over loopback: mutual TLS takes their place where
services run apart.
"""

import hashlib
import hmac
from collections.abc import Mapping

from cardnet.errors import NotPermitted, Unauthenticated

ANYONE = "anyone"
"""The caller who shows no credential: a cardholder, or somebody who looks."""

MERCHANT, ACQUIRER, NETWORK, TSP, ISSUER = "merchant", "acquirer", "network", "tsp", "issuer"
OPERATOR = "operator"
"""The one who sets a test up and looks behind the counter."""
DISCLOSER = "discloser"
"""The one who may learn a PAN without a payment. The network may not."""

MAY_CALL = {
    "/cardnet.v1.Merchant/SaveCard": {ANYONE},
    "/cardnet.v1.Merchant/ConfirmCard": {ANYONE},
    "/cardnet.v1.Merchant/Checkout": {ANYONE},
    "/cardnet.v1.Acquirer/SubmitPayment": {MERCHANT},
    "/cardnet.v1.Acquirer/ReversePayment": {MERCHANT},
    "/cardnet.v1.Network/RouteAuthorisation": {ACQUIRER},
    "/cardnet.v1.Network/RouteReversal": {ACQUIRER},
    "/cardnet.v1.TokenService/GetEncryptionKey": {ANYONE},
    "/cardnet.v1.TokenService/RequestToken": {MERCHANT},
    "/cardnet.v1.TokenService/ConfirmCardholder": {MERCHANT},
    "/cardnet.v1.TokenService/RequestCryptogram": {MERCHANT},
    "/cardnet.v1.TokenLifecycle/SuspendToken": {MERCHANT, ISSUER, OPERATOR},
    "/cardnet.v1.TokenLifecycle/ResumeToken": {MERCHANT, ISSUER, OPERATOR},
    "/cardnet.v1.TokenLifecycle/ActivateToken": {ISSUER, OPERATOR},
    "/cardnet.v1.TokenLifecycle/UnlinkToken": {MERCHANT, ISSUER, OPERATOR},
    "/cardnet.v1.TokenLifecycle/UpdateTokenAttributes": {MERCHANT, ISSUER, OPERATOR},
    "/cardnet.v1.TokenLifecycle/GetToken": {MERCHANT, ISSUER, OPERATOR},
    "/cardnet.v1.TokenNotifications/FollowTokens": {MERCHANT},
    "/cardnet.cde.v1.TokenVault/Detokenise": {NETWORK},
    "/cardnet.cde.v1.TokenVault/RecallTransaction": {NETWORK},
    "/cardnet.cde.v1.TokenVault/FindTransaction": {NETWORK},
    "/cardnet.cde.v1.TokenDisclosure/DetokeniseWithoutVerification": {DISCLOSER},
    "/cardnet.cde.v1.PanLifecycle/ReplacePan": {ISSUER, OPERATOR},
    "/cardnet.cde.v1.PanLifecycle/UpdatePanExpiry": {ISSUER, OPERATOR},
    "/cardnet.cde.v1.PanLifecycle/ReportPanLost": {ISSUER, OPERATOR},
    "/cardnet.cde.v1.PanLifecycle/EnquirePar": {ISSUER, OPERATOR, NETWORK},
    "/cardnet.cde.v1.TokenOperator/ListTokens": {OPERATOR},
    "/cardnet.cde.v1.TokenOperator/ListRequestors": {OPERATOR},
    "/cardnet.cde.v1.TokenOperator/RegisterRequestor": {OPERATOR},
    "/cardnet.cde.v1.TokenOperator/SetWebhook": {OPERATOR},
    "/cardnet.cde.v1.TokenOperator/Unseal": {OPERATOR},
    "/cardnet.cde.v1.TokenOperator/ListKeys": {OPERATOR},
    "/cardnet.cde.v1.TokenOperator/RotateKey": {OPERATOR},
    "/cardnet.cde.v1.TokenOperator/BackUpVault": {OPERATOR},
    "/cardnet.cde.v1.TokenOperator/RestoreVault": {OPERATOR},
    "/cardnet.cde.v1.Issuer/Authorise": {NETWORK},
    "/cardnet.cde.v1.Issuer/Reverse": {NETWORK},
    "/cardnet.cde.v1.Issuer/VerifyAccount": {TSP},
    "/cardnet.cde.v1.Issuer/CheckPasscode": {TSP},
    "/cardnet.cde.v1.IssuerOperator/OpenAccount": {OPERATOR},
    "/cardnet.cde.v1.IssuerOperator/GetAccount": {OPERATOR},
    "/cardnet.cde.v1.IssuerOperator/ReadPasscode": {OPERATOR},
    "/cardnet.v1.Traces/GetTrace": {ANYONE},
    "/cardnet.v1.Traces/ListTraces": {ANYONE},
}
"""Every method of every service and who may call it."""

METADATA_KEY = "x-cardnet-credential"


class Callers:
    """The callers whom a service recognises."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        """digests: each caller's name and the SHA-256 of its credential, in hexadecimal."""
        self._digests = {name: bytes.fromhex(digest) for name, digest in digests.items()}
        self._known: dict[str, str] = {}

    @property
    def names(self) -> frozenset[str]:
        """The names of all of them."""
        return frozenset(self._digests)

    @classmethod
    def parse(cls, text: str) -> "Callers":
        """Read "merchant=SHA256,operator=SHA256"."""
        return cls(dict(item.split("=", 1) for item in text.split(",") if item))

    def admit(self, credential: str | None, method: str) -> str:
        """The caller's name. Unauthenticated or NotPermitted if it may not call this method (a gRPC path)."""
        caller = ANYONE if credential is None else self._recognise(credential)
        allowed = MAY_CALL.get(method, set())
        if role_of(caller) in allowed or ANYONE in allowed:
            return caller
        if caller == ANYONE:
            raise Unauthenticated(
                "CREDENTIAL_REQUIRED", f"this call needs the credential of: {', '.join(sorted(allowed))}"
            )
        raise NotPermitted("CALLER_NOT_PERMITTED", f"the {caller} may not make this call")

    def _recognise(self, credential: str) -> str:
        known = self._known.get(credential)
        if known:
            return known
        digest = hashlib.sha256(credential.encode()).digest()
        for name, expected in self._digests.items():
            if hmac.compare_digest(digest, expected):
                self._known[credential] = name
                return name
        raise Unauthenticated("CREDENTIAL_UNKNOWN", "the credential is not one that this service knows")


def role_of(caller: str) -> str:
    """What a caller is: "merchant" is a merchant, and so is "other-merchant"."""
    return caller.rpartition("-")[2]


def digest(credential: str) -> str:
    """What a service keeps of a caller's credential: its SHA-256 in hexadecimal."""
    return hashlib.sha256(credential.encode()).hexdigest()
