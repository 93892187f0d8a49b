"""What cards travel in between a browser and whom they are for: a JWE of one profile, and no other.

RFC 7516, compact: RSA-OAEP-256, A256GCM, and a header of exactly alg, enc and kid. The plaintext is a JSON object.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

_ALGORITHMS = ("RSA-OAEP-256", "A256GCM")
_PARTS = 5

NOT_OF_THE_PROFILE = (JoseError, ValueError, KeyError, RecursionError)
"""What comes of opening anything else."""


def seal(members: Mapping[str, Any], key_id: str, key: RSAKey) -> str:
    """A JWE of these members to a public key."""
    header = {"alg": _ALGORITHMS[0], "enc": _ALGORITHMS[1], "kid": key_id}
    return jwe.encrypt_compact(header, json.dumps(members), key, algorithms=_ALGORITHMS)


def key_id_of(envelope: str) -> str:
    """The `kid` of a header that has alg, enc and kid and nothing else: no zip, no crit, no p2c. ValueError if not."""
    match _json(_decoded(envelope.partition(".")[0])):
        case {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": str(key_id), **others} if not others:
            return key_id
    raise ValueError


def open_with(envelope: str, key: RSAKey) -> dict[str, Any]:
    """The members in it. One of NOT_OF_THE_PROFILE if it is not of ours; its header is for `key_id_of` to judge."""
    members = _json(jwe.decrypt_compact(envelope, key, algorithms=_ALGORITHMS).plaintext or b"")
    if not isinstance(members, dict):
        raise ValueError
    return members


def is_canonical(envelope: str) -> bool:
    """Whether each part is written in the one way: so the same content is always the same text."""
    parts = envelope.split(".")
    try:
        return len(parts) == _PARTS and all(_encoded(_decoded(part)) == part for part in parts)
    except ValueError:
        return False


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _json(data: bytes) -> Any:
    return json.loads(data, object_pairs_hook=_object, parse_constant=_no_constant)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):  # a member that comes twice may be read one way here and another way elsewhere
        raise ValueError
    return members


def _no_constant(_name: str) -> Any:
    raise ValueError  # NaN is no JSON
