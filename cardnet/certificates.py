"""Identities: a folder each, with a certificate, its key and the authorities to be believed. They may change.

The files have the names that a Kubernetes TLS secret gives them: `tls.crt`, `tls.key`, `ca.crt`, all PEM. The
certificate names its owner by a SPIFFE ID, spiffe://<trust domain>/<name>; a service's has its name as DNS name too, by
which its callers know it. (Where there is no DNS name at all gRPC takes the common name for one: whoever makes
certificates of his own gives no caller the common name of a service.)
"""

import asyncio
import logging
import ssl
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from cardnet.config import SettingMissing
from cardnet.identity import is_name

CERTIFICATE, KEY, AUTHORITIES = "tls.crt", "tls.key", "ca.crt"

LOOK_S = 1.0
"""How often a client looks whether its identity was replaced, unless it is told. A server looks at each handshake."""

_SHOWN = "x509_pem_cert"
"""Where gRPC says what the other end of a connection has shown. The names in it, as gRPC tells them, are cut at a NUL:
"issuer\\0elsewhere" is not the issuer."""

log = logging.getLogger("cardnet")


class Papers(NamedTuple):
    """What an identity consists of at a time: three PEM texts."""

    certificate: bytes
    key: bytes
    authorities: bytes


class Identity:
    """A folder of papers, read again when they were replaced. Papers that do not fit together are not taken up."""

    def __init__(self, folder: Path, look_s: float = LOOK_S) -> None:
        """look_s: how old `papers_lately` may be. SettingMissing, with what to do, where the folder holds none."""
        self.folder = folder
        self._look_s = look_s
        self._mark = self._marked()
        self._papers = self._read()
        self._looked_at = float("-inf")
        self._said = ""

    @property
    def papers(self) -> Papers:
        """As they are now."""
        try:
            mark = self._marked()
            if mark != self._mark:
                papers = self._read()
                if self._marked() == mark:  # else somebody is still writing: the next look finds all of it
                    self._papers, self._mark = papers, mark
            self._said = ""
        except SettingMissing as problem:
            self._say(f"the identity stays as it was: {problem}")
        return self._papers

    def papers_lately(self) -> Papers:
        """As they were a moment ago: to be asked in an event loop, for each call."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < self._look_s:
            return self._papers
        self._looked_at = now
        return self.papers

    def server_credentials(self) -> grpc.ServerCredentials:
        """For a door that lets nobody in without a certificate, and looks for new papers at each handshake."""
        shown = self._papers

        def fetch() -> Any:
            nonlocal shown
            now = self.papers
            if now is shown:
                return None
            shown = now
            return _server(now)

        return grpc.dynamic_ssl_server_credentials(_server(shown), fetch, require_client_authentication=True)

    def _say(self, sentence: str) -> None:
        """Once, and not at each look: whoever knocks at a door makes us look."""
        if sentence != self._said:
            log.warning("%s", sentence)
        self._said = sentence

    def _marked(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when the files do."""
        try:
            found = [(self.folder / name).stat() for name in (CERTIFICATE, KEY, AUTHORITIES)]
        except OSError as problem:
            raise _useless(self.folder, f"{problem.filename} cannot be read") from None
        return tuple((one.st_mtime_ns, one.st_ino, one.st_size) for one in found)

    def _read(self) -> Papers:
        certificate, key, authorities = (self.folder / name for name in (CERTIFICATE, KEY, AUTHORITIES))
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_cert_chain(certificate, key, password=_no_password)
            context.load_verify_locations(authorities)
            return Papers(certificate.read_bytes(), key.read_bytes(), authorities.read_bytes())
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            raise _useless(
                self.folder, f"{CERTIFICATE}, {KEY} and {AUTHORITIES} are not PEM that fits together"
            ) from None


def channel_credentials(papers: Papers) -> grpc.ChannelCredentials:
    """For a connection on which both ends show who they are."""
    return grpc.ssl_channel_credentials(papers.authorities, papers.key, papers.certificate)


def caller_of(auth_context: Mapping[str, Iterable[bytes]], trust_domain: str) -> str:
    """The name in the certificate at the other end of a connection; empty where it names nobody of this network."""
    shown = list(auth_context.get(_SHOWN, ()))
    prefix = f"spiffe://{trust_domain}/"
    if len(shown) != 1:
        return ""
    id_ = _spiffe_id(shown[0])
    name = id_.removeprefix(prefix)
    return name if id_.startswith(prefix) and is_name(name) else ""


@lru_cache(maxsize=1024)
def _spiffe_id(pem: bytes) -> str:
    """The URI in a certificate; empty where there is none or are several."""
    from cryptography import x509  # takes its time, and `cardnet --help` has no use for it

    try:
        names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return ""
    return uris[0] if len(uris) == 1 else ""


def _server(papers: Papers) -> Any:
    return grpc.ssl_server_certificate_configuration([(papers.key, papers.certificate)], papers.authorities)


def _no_password() -> str:
    raise ValueError("a key that wants a password; nobody is there to type it")


def _useless(folder: Path, why: str) -> SettingMissing:
    return SettingMissing(f"no identity in {folder}: {why}; make one with: cardnet certs {folder.parent}")
