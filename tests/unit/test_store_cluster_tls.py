"""A cluster over TLS: every node is verified, those too that others name."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cluster_actors import HERE, HOST, playing
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def certified(file: Path, host: str) -> ssl.SSLContext:
    """A server's side of TLS with a certificate of its own making, which is left in a file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    day, now = timedelta(days=1), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    shown = certificate.public_bytes(Encoding.PEM)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + shown)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_a_node_that_another_one_names_is_spoken_to_over_tls(tmp_path: Path) -> None:
    file = tmp_path / "node.pem"
    node = certified(file, HOST)
    async with playing(tls=(node, node), trusted=str(file)) as cluster:
        cluster.first.plays = lambda command: cluster.at(cluster.second, "MOVED")
        assert await cluster.get() == b"here"
        assert cluster.second.heard


@pytest.mark.parametrize("host", [HOST, "127.0.0.2"])
async def test_one_that_nobody_vouches_for_or_with_another_name_hears_nothing(tmp_path: Path, host: str) -> None:
    file, other = tmp_path / "node.pem", tmp_path / "other.pem"
    node, impostor = certified(file, HOST), certified(other, host)
    if host != HOST:  # it is trusted, and is somebody else
        file.write_bytes(file.read_bytes() + other.read_bytes())
    async with playing(tls=(node, impostor), trusted=str(file)) as cluster:
        cluster.store._servers._timeout_s = 0.1  # for a node to which there is no way, and for nothing else
        cluster.first.plays = lambda command: cluster.at(cluster.second, "MOVED")
        assert (await cluster.fault()).reason == "STORE_UNAVAILABLE"
        assert not cluster.second.actor.heard
        cluster.first.plays = lambda command: HERE
        assert await cluster.get() == b"here"
