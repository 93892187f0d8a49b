"""Settings: read once from the environment into a frozen dataclass, by a service's `app.py` alone."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from cardnet.identity import TRUST_DOMAIN

C = TypeVar("C", bound="ServiceConfig")


@dataclass(frozen=True, kw_only=True)
class ServiceConfig:
    """What every service is told.

    A field `x` is read from CARDNET_<SERVICE>_X, else from CARDNET_X; else from the file that CARDNET_<SERVICE>_X_FILE
    or CARDNET_X_FILE names, which is how containers are given secrets.
    """

    listen: str = "127.0.0.1:0"
    """Where to listen: host:port."""
    admin_listen: str = ""
    """Where the admin door is: host:port. Empty: there is none, and what only operators may call is not registered."""
    health_listen: str = ""
    """Where the standard health service, and nothing else, is served in plain text: host:port. Empty: nowhere."""
    web_listen: str = ""
    """Where its web face is, for those that have one: host:port. Empty: nowhere."""
    web_origin: str = ""
    """What browsers call that: http://localhost:8750. To be given with `web_listen`."""
    identity: str = ""
    """The folder with its certificate and key and whom to believe (cardnet/certificates.py)."""
    identity_look_s: float = 1.0
    """How often to look whether that was replaced, in seconds; `cardnet certs` gives everybody three."""
    trust_domain: str = TRUST_DOMAIN
    """The SPIFFE trust domain of all identities."""
    insecure: bool = False
    """Whether to speak plain text and believe every caller its name: at loopback addresses alone."""
    connection_age_s: int = 30
    """How long a caller's connection lasts, in seconds: then it looks anew for instances of this service. What is under
    way on it is finished first."""
    redis_url: str
    """Its store: any Redis >= 7, such as redis://user:password@host:6379/0 or unix:///path/store.sock."""
    store_timeout_s: float = 5.0
    """How long its store may take for an answer."""
    collector: str = ""
    """The network's own collector of traces: host:port or unix:/path."""
    otlp_endpoint: str = ""
    """Other OTLP/gRPC receivers, separated by commas: http://host:port, or https:// for TLS. OpenTelemetry's own
    OTEL_EXPORTER_OTLP_ENDPOINT is read too."""
    tracing: bool = True
    """Whether spans are recorded: `python -m bench.recording` tells what that costs."""
    seed: str = ""
    """Makes identifiers repeat from run to run; empty for real chance."""
    frozen_at: str = ""
    """Stops the clock at this time (ISO 8601, with zone); empty for the real time."""
    clock_file: str = ""
    """The file by which the clock is moved on (SharedClock in cardnet/env.py); empty where it cannot be."""
    faults_file: str = ""
    """The file by which its calls are disturbed (cardnet/faults.py), for tests; empty where they cannot be."""


class SettingMissing(Exception):
    """A setting that has no default is not there, or is not of its kind. The text says which and what it is for."""


def read(kind: type[C], service: str, environ: Mapping[str, str]) -> C:
    """The settings of a service. SettingMissing names the variable to set."""
    values: dict[str, Any] = {}
    known = {field.name for field in fields(kind)}
    for field in fields(kind):
        own = f"CARDNET_{service.upper()}_{field.name.upper()}"
        text = _text(own, f"CARDNET_{field.name.upper()}", environ, in_file=f"{field.name}_file" not in known)
        if text is not None:
            values[field.name] = _converted(field.type, text, own)
        elif field.default is MISSING:
            raise SettingMissing(f"{own} must be set: the {service} cannot start without it")
    endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if endpoint:  # the name that every OpenTelemetry user knows
        values["otlp_endpoint"] = ",".join(filter(None, (values.get("otlp_endpoint", ""), endpoint)))
    return kind(**values)


def _text(own: str, common: str, environ: Mapping[str, str], *, in_file: bool) -> str | None:
    for name in (own, common):
        if name in environ:
            return environ[name]
        if in_file and environ.get(f"{name}_FILE"):
            return _content(f"{name}_FILE", Path(environ[f"{name}_FILE"]))
    return None


def _content(name: str, path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingMissing(f"{name}: {path} cannot be read: see that it is there, and a text of yours") from None


def _converted(kind: object, text: str, name: str) -> object:
    if kind is bool:
        return text.lower() in ("1", "true", "yes", "on")
    if kind in (int, float):
        try:
            return int(text) if kind is int else float(text)
        except ValueError:
            raise SettingMissing(f"{name} must be a number") from None
    return text
