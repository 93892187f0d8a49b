"""What may be asked again when a connection broke before the answer came, and what may not.

gRPC does it (gRFC A6): the same bytes, of another instance where there is one. A service that itself answers
UNAVAILABLE forbids it, for it has said all that it knows. Whoever was asked first may be alive and still at it, even
after the second answered: so here stands only what such a latecomer cannot spoil (docs/decisions/0003).
"""

import json

_PAYMENTS = {
    "/cardnet.v1.Merchant/Checkout",
    "/cardnet.v1.Acquirer/SubmitPayment",
    "/cardnet.v1.Acquirer/ReversePayment",
    "/cardnet.v1.Network/RouteAuthorisation",
    "/cardnet.v1.Network/RouteReversal",
    "/cardnet.cde.v1.TokenVault/Detokenise",
    "/cardnet.cde.v1.TokenVault/RecallTransaction",
    "/cardnet.cde.v1.Issuer/Authorise",
    "/cardnet.cde.v1.Issuer/Reverse",
}
"""Each has a key of its own: a repeat takes up what was begun, or gets the answer that was kept."""

_CARDS_ON_FILE = {
    "/cardnet.v1.Merchant/SaveCard",
    "/cardnet.v1.TokenService/RequestToken",
    "/cardnet.v1.TokenService/RequestCryptogram",
    "/cardnet.v1.TokenService/ProvideTokenizedCard",
    "/cardnet.cde.v1.Issuer/VerifyAccount",
}
"""One card and requestor have one token. A repeat makes one more cryptogram, which nobody uses, or sends one more
passcode, of which the latest counts."""

_ONE_WAY = {
    "/cardnet.v1.TokenLifecycle/ActivateToken",
    "/cardnet.v1.TokenLifecycle/UnlinkToken",
    "/cardnet.cde.v1.TokenOperator/RegisterRequestor",
}
"""What was done once is so for good: nothing that is done afterwards can be undone by a latecomer."""

_LOOKING = {
    "/cardnet.v1.TokenService/GetEncryptionKey",
    "/cardnet.v1.TokenLifecycle/GetToken",
    "/cardnet.cde.v1.TokenVault/FindTransaction",
    "/cardnet.cde.v1.PanLifecycle/EnquirePar",
    "/cardnet.cde.v1.TokenOperator/ListTokens",
    "/cardnet.cde.v1.TokenOperator/ListRequestors",
    "/cardnet.cde.v1.TokenOperator/ListKeys",
    "/cardnet.cde.v1.IssuerOperator/GetAccount",
    "/cardnet.cde.v1.IssuerOperator/ReadPasscode",
    "/cardnet.v1.Traces/GetTrace",
    "/cardnet.v1.Traces/GetSpans",
    "/cardnet.v1.Traces/ListTraces",
}
"""Nothing changes."""

ASKED_AGAIN: frozenset[str] = frozenset(_PAYMENTS | _CARDS_ON_FILE | _ONE_WAY | _LOOKING)
"""The methods that gRPC may ask again."""

_TRIES = {
    "/cardnet.v1.Merchant/ConfirmCard",
    "/cardnet.v1.TokenService/ConfirmCardholder",
    "/cardnet.cde.v1.Issuer/CheckPasscode",
}
"""A passcode that was typed once is one try, and a right one is used up: its cardholder is asked to type it again."""

_BACK_AND_FORTH = {
    "/cardnet.v1.TokenLifecycle/SuspendToken",
    "/cardnet.v1.TokenLifecycle/ResumeToken",
    "/cardnet.v1.TokenLifecycle/UpdateTokenAttributes",
    "/cardnet.cde.v1.PanLifecycle/ReplacePan",
    "/cardnet.cde.v1.PanLifecycle/UpdatePanExpiry",
    "/cardnet.cde.v1.PanLifecycle/ReportPanLost",
    "/cardnet.cde.v1.TokenOperator/SetWebhook",
}
"""They set what may be set otherwise: a latecomer would undo what somebody did after the repeat was answered."""

_ONE_INSTANCE = {
    "/cardnet.cde.v1.TokenOperator/Unseal",
    "/cardnet.cde.v1.TokenOperator/RestoreVault",
}
"""They concern the instance that was asked, and no other."""

_ASKED_BY_ITS_CALLER = {
    "/cardnet.cde.v1.IssuerOperator/OpenAccount",
    "/cardnet.cde.v1.TokenDisclosure/DetokeniseWithoutVerification",
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
}
"""A repeat of the first is answered otherwise (94); each answer of the second is a line in the audit log, for which
somebody is to have asked; whoever sends spans sends them again."""

_STREAMS = {
    "/cardnet.v1.TokenNotifications/FollowTokens",
    "/cardnet.v1.Traces/FollowTraces",
    "/cardnet.cde.v1.TokenOperator/RotateKey",
    "/cardnet.cde.v1.TokenOperator/BackUpVault",
}
"""Half of the answers may be there: whoever listens knows from where to go on."""

NOT_ASKED_AGAIN: frozenset[str] = frozenset(_TRIES | _BACK_AND_FORTH | _ONE_INSTANCE | _ASKED_BY_ITS_CALLER | _STREAMS)
"""All other methods: their callers hear UNAVAILABLE, and decide."""

NOT_AGAIN = ("grpc-retry-pushback-ms", "-1")
"""The trailing metadata by which a service says that asking again is of no use."""

RETRIED = ["UNAVAILABLE", "CANCELLED"]
"""The connection broke; or the service was being stopped when the call came, and it was not begun."""

ATTEMPTS = 4
"""How often at the most, the first time counted."""

SERVICE_CONFIG = json.dumps(
    {
        "methodConfig": [
            {
                "name": [
                    dict(zip(("service", "method"), path[1:].split("/"), strict=True)) for path in sorted(ASKED_AGAIN)
                ],
                "retryPolicy": {
                    "maxAttempts": ATTEMPTS,
                    "initialBackoff": "0.02s",
                    "maxBackoff": "0.2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": RETRIED,
                },
            }
        ]
    }
)
"""The same for gRPC."""
