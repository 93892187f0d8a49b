"""Two other implementations of JOSE, against which what browser and shop make is held: joserfc and npm's jose."""

import asyncio
import json
from pathlib import Path
from typing import Any

from joserfc import jwe
from joserfc.jwk import RSAKey

from cardnet.testing import LocalNetwork

JOSE = Path(__file__).parents[2] / ".venv" / "jose"

OPEN = """
import { compactDecrypt, importJWK } from "jose";
let input = "";
for await (const piece of process.stdin) input += piece;
const { token, jwk } = JSON.parse(input);
const key = await importJWK(jwk, "RSA-OAEP-256");
const options = { keyManagementAlgorithms: ["RSA-OAEP-256"], contentEncryptionAlgorithms: ["A256GCM"] };
const { plaintext } = await compactDecrypt(token, key, options);
process.stdout.write(plaintext);
"""

SEAL = """
import { CompactEncrypt, importX509 } from "jose";
let input = "";
for await (const piece of process.stdin) input += piece;
const { claims, certificate, kid } = JSON.parse(input);
const key = await importX509(certificate, "RSA-OAEP-256");
const header = { alg: "RSA-OAEP-256", enc: "A256GCM", kid };
const made = new CompactEncrypt(new TextEncoder().encode(claims)).setProtectedHeader(header);
process.stdout.write(await made.encrypt(key));
"""


def payment_key(network: LocalNetwork) -> RSAKey:
    """The shop's private key."""
    file = Path(network._wiring.extra["merchant"]["payment_key_file"])
    return RSAKey.import_key(file.read_bytes())


def opened(network: LocalNetwork, details: str) -> dict[str, Any]:
    """The claims in encryptedDetails, opened by joserfc."""
    plain = jwe.decrypt_compact(details, payment_key(network), algorithms=["RSA-OAEP-256", "A256GCM"])
    claims: dict[str, Any] = json.loads(plain.plaintext or b"")
    return claims


async def opened_by_jose(token: str, key: RSAKey) -> dict[str, Any]:
    """The same by npm's jose."""
    claims: dict[str, Any] = json.loads(await _node(OPEN, {"token": token, "jwk": key.as_dict(private=True)}))
    return claims


async def sealed_by_jose(claims: dict[str, Any], certificate: str, kid: str) -> str:
    """A JWE that npm's jose makes to a certificate."""
    return (await _node(SEAL, {"claims": json.dumps(claims), "certificate": certificate, "kid": kid})).decode()


async def _node(script: str, told: dict[str, Any]) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *("node", "--input-type=module", "--eval", script),
        cwd=JOSE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(json.dumps(told).encode())
    assert process.returncode == 0, err.decode()
    return out
