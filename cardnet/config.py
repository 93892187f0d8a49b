"""Settings: read once from the environment into a frozen dataclass, by a service's `app.py` alone."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

C = TypeVar("C", bound="ServiceConfig")


@dataclass(frozen=True, kw_only=True)
class ServiceConfig:
    """What every service is told. A field `x` is read from CARDNET_<SERVICE>_X, else from CARDNET_X."""

    listen: str = "127.0.0.1:0"
    """Where to listen: host:port."""
    redis_url: str
    """Its store: any Redis >= 7, such as redis://user:password@host:6379/0 or unix:///path/store.sock."""
    credential: str = ""
    """The secret by which its neighbours know it."""
    callers: str = ""
    """Who may call it: "merchant=SHA256 of its credential,operator=…"."""
    collector: str = ""
    """Addresses of OTLP/gRPC receivers, separated by commas: host:port or http://host:port."""
    seed: str = ""
    """Makes identifiers repeat from run to run; empty for real chance."""
    frozen_at: str = ""
    """Stops the clock at this time (ISO 8601, with zone); empty for the real time."""
    clock_file: str = ""
    """The file by which the clock is moved on (SharedClock in cardnet/env.py); empty where it cannot be."""


class SettingMissing(Exception):
    """A setting that has no default is not there, or is not of its kind. The text says which and what it is for."""


def read(kind: type[C], service: str, environ: Mapping[str, str]) -> C:
    """The settings of a service. SettingMissing names the variable to set."""
    values: dict[str, Any] = {}
    for field in fields(kind):
        own, common = f"CARDNET_{service.upper()}_{field.name.upper()}", f"CARDNET_{field.name.upper()}"
        text = environ.get(own, environ.get(common))
        if text is not None:
            values[field.name] = _converted(field.type, text, own)
        elif field.default is MISSING:
            raise SettingMissing(f"{own} must be set: the {service} cannot start without it")
    endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if endpoint:  # the name that every OpenTelemetry user knows
        values["collector"] = ",".join(filter(None, (values.get("collector", ""), endpoint)))
    return kind(**values)


def _converted(kind: object, text: str, name: str) -> object:
    if kind is bool:
        return text.lower() in ("1", "true", "yes")
    if kind in (int, float):
        try:
            return int(text) if kind is int else float(text)
        except ValueError:
            raise SettingMissing(f"{name} must be a number") from None
    return text
