"""Who may call what: one table, deny by default.

A caller's name comes from its certificate (cardnet/certificates.py), never from its message. The last word of a name is
its role: "other-merchant" is a merchant.
"""

import re
from enum import StrEnum

from cardnet.errors import NotPermitted, Unauthenticated

MERCHANT, ACQUIRER, NETWORK, TSP, ISSUER = "merchant", "acquirer", "network", "tsp", "issuer"
COLLECTOR = "collector"
WALLET = "wallet"
"""Keeps its users' cards, as tokens, and pays with them at any shop that takes them (W3C Tokenized Card Payment)."""
CARDHOLDER = "cardholder"
"""Whoever pays, and looks at what became of it."""
OPERATOR = "operator"
"""The one who sets a test up and looks behind the counter."""
DISCLOSER = "discloser"
"""The one who may learn a PAN without a payment. The network may not."""

TRUST_DOMAIN = "cardnet.test"
"""The SPIFFE trust domain of all names. `.test` is nobody's (RFC 6761)."""

SERVERS = (MERCHANT, ACQUIRER, NETWORK, TSP, ISSUER, COLLECTOR)
"""Those who are called, by DNS names of their own."""
PROGRAMS = (MERCHANT, ACQUIRER, NETWORK, TSP, ISSUER, WALLET)
"""All that may run: the five services, and the wallet where there is a web."""

NEIGHBOURS = {
    MERCHANT: (ACQUIRER, TSP),
    ACQUIRER: (NETWORK,),
    NETWORK: (TSP, ISSUER),
    TSP: (ISSUER,),
    ISSUER: (),
    WALLET: (TSP,),
}
"""Whom each program asks: the hops of a network."""
NAMES = (*SERVERS, WALLET, CARDHOLDER, OPERATOR, DISCLOSER, "other-merchant", "other-issuer")
"""All whom a network knows from the start. The last two are second parties, for tests of what is not theirs."""

_SENDERS = {MERCHANT, ACQUIRER, NETWORK, TSP, ISSUER, WALLET, CARDHOLDER}


class Door(StrEnum):
    """Where a service lets callers in. Each door is a port of its own."""

    BUSINESS = "business"
    ADMIN = "admin"
    """For the operator and the discloser, who come in nowhere else. It is there only where a setting asks for it."""


_AT_ADMIN_DOOR = {OPERATOR, DISCLOSER}

MAY_CALL = {
    "/cardnet.v1.Merchant/SaveCard": {CARDHOLDER},
    "/cardnet.v1.Merchant/ConfirmCard": {CARDHOLDER},
    "/cardnet.v1.Merchant/Checkout": {CARDHOLDER},
    "/cardnet.v1.Acquirer/SubmitPayment": {MERCHANT},
    "/cardnet.v1.Acquirer/ReversePayment": {MERCHANT},
    "/cardnet.v1.Network/RouteAuthorisation": {ACQUIRER},
    "/cardnet.v1.Network/RouteReversal": {ACQUIRER},
    "/cardnet.v1.TokenService/GetEncryptionKey": {CARDHOLDER, MERCHANT, WALLET},
    "/cardnet.v1.TokenService/RequestToken": {MERCHANT, WALLET},
    "/cardnet.v1.TokenService/ConfirmCardholder": {MERCHANT, WALLET},
    "/cardnet.v1.TokenService/RequestCryptogram": {MERCHANT},
    "/cardnet.v1.TokenService/ProvideTokenizedCard": {WALLET},
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
    "/cardnet.v1.Traces/GetTrace": {CARDHOLDER, OPERATOR},
    "/cardnet.v1.Traces/GetSpans": {CARDHOLDER, OPERATOR},
    "/cardnet.v1.Traces/ListTraces": {CARDHOLDER, OPERATOR},
    "/cardnet.v1.Traces/FollowTraces": {CARDHOLDER, OPERATOR},
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": _SENDERS,
}
"""Every method of every service and who may call it."""


_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 63
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")


def is_name(text: str) -> bool:
    """Whether a caller may be called so: what a DNS label may be, and no capitals."""
    return len(text) <= _LONGEST and _NAME.fullmatch(text) is not None


def is_trust_domain(text: str) -> bool:
    """Whether it may be a SPIFFE trust domain: SPIFFE-ID, section 2.1."""
    return _TRUST_DOMAIN.fullmatch(text) is not None


def role_of(caller: str) -> str:
    """What a caller is: "merchant" is a merchant, and so is "other-merchant"."""
    return caller.rpartition("-")[2]


def door_of(caller: str) -> Door:
    """The door at which a caller comes in."""
    return Door.ADMIN if role_of(caller) in _AT_ADMIN_DOOR else Door.BUSINESS


def admit(caller: str, door: Door, method: str) -> None:
    """Let a caller in to a method (a gRPC path). Unauthenticated if it has no name, NotPermitted if it may not call."""
    if not caller:
        raise Unauthenticated("IDENTITY_UNKNOWN", "the certificate names nobody of this network (its SPIFFE ID does)")
    if role_of(caller) not in MAY_CALL.get(method, set()):
        raise NotPermitted("CALLER_NOT_PERMITTED", f"the {caller} may not make this call")
    if door_of(caller) is not door:
        raise NotPermitted("WRONG_DOOR", f"the {caller} comes in at the {door_of(caller)} door, which has its own port")
