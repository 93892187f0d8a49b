"""Web origins: who a page belongs to (RFC 6454). Written as browsers write them: https://shop.example:8443."""

import re

_HOST = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
_ORIGIN = re.compile(rf"(https?)://({_HOST}|\[[0-9a-f:]+\])(:[1-9][0-9]{{0,4}})?")
_ADDRESS = re.compile(r"(https?://[^/?#@\\]+)([/?#].*)?")
_THIS_MACHINE = re.compile(r"localhost|.*\.localhost|127\.[0-9.]+|\[::1\]")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_LONGEST = 100


def is_origin(text: str) -> bool:
    """Whether it is an origin that browsers trust with a payment: https, or http at this machine."""
    found = _ORIGIN.fullmatch(text) if len(text) <= _LONGEST else None
    if not found:
        return False
    scheme, host, port = found[1], found[2], found[len(found.groups())] or ""
    if port == _DEFAULT_PORTS[scheme] or int(port[1:] or 0) > 65_535:
        return False  # browsers leave the scheme's own port out
    return scheme == "https" or bool(_THIS_MACHINE.fullmatch(host))


def origin_of(url: str) -> str:
    """The origin of an address; empty where it has none that may be trusted, or names a user or password."""
    found = _ADDRESS.fullmatch(url.strip())
    if not found:
        return ""
    origin = found[1].lower()
    scheme = origin.partition(":")[0]
    origin = origin.removesuffix(_DEFAULT_PORTS[scheme])
    return origin if is_origin(origin) else ""
