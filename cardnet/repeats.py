"""What may be asked again when a connection broke before the answer came.

gRPC does it (gRFC A6): the same bytes, of another instance where there is one. A service that itself answers
UNAVAILABLE forbids it, for it has said all that it knows.
"""

import json

ASKED_AGAIN: frozenset[str] = frozenset(
    {
        "/cardnet.v1.Acquirer/SubmitPayment",
        "/cardnet.v1.Network/RouteAuthorisation",
        "/cardnet.v1.Network/RouteReversal",
        "/cardnet.cde.v1.TokenVault/Detokenise",
        "/cardnet.cde.v1.Issuer/Authorise",
        "/cardnet.cde.v1.Issuer/Reverse",
    }
)

NOT_AGAIN = ("grpc-retry-pushback-ms", "-1")
"""The trailing metadata by which a service says that asking again is of no use."""

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
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)
"""The same for gRPC."""
