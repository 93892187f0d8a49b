"""Where a store is and who asks: the parts of its URL."""

import asyncio
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")  # redis-py's names, so that one URL serves both
_CLUSTER = re.compile(r"(rediss?)\+cluster://([^/?#]*@)?([^/?#@]*)(.*)", re.DOTALL)


@dataclass(frozen=True)
class StoreAddress:
    """A parsed store URL: a unix socket at `path`, or `host` and `port` if that is empty. Never prints its password."""

    user: str
    password: str = field(repr=False)
    path: str
    host: str
    port: int
    db: int
    tls: ssl.SSLContext | None

    @classmethod
    def parse(cls, url: str) -> "StoreAddress":
        """Parse unix://user:password@/path?db=0, redis://user:password@host:port/db or rediss://... for TLS.

        TLS is always verified, and takes ?ssl_ca_certs=, ssl_certfile= and ssl_keyfile=. Raises ValueError, which never
        quotes the URL.
        """
        parts = _split(url)
        if parts.scheme not in ("unix", "redis", "rediss"):
            raise ValueError(
                "the store's URL must begin with unix://, redis://, rediss://, redis+cluster:// or rediss+cluster://"
            )
        options = dict(parse_qsl(parts.query))
        if not options.keys() <= {"db", *_TLS_FILES}:
            raise ValueError(f"the store's URL may have the options db, {', '.join(_TLS_FILES)} and no others")
        local = parts.scheme == "unix"
        return cls(
            user=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            path=unquote(parts.path) if local else "",
            host=parts.hostname or "localhost",
            port=parts.port or 6379,
            db=_database(options.get("db") or ("" if local else parts.path.strip("/"))),
            tls=_verified(options) if parts.scheme == "rediss" else None,
        )

    @classmethod
    def parse_cluster(cls, url: str) -> "tuple[StoreAddress, ...]":
        """Parse redis+cluster://user:password@host1:port,host2:port or rediss+cluster://... for TLS: the nodes named.

        None of them where the URL is a single server's. They share user, password and TLS; a cluster has no databases.
        """
        match = _CLUSTER.fullmatch(url)
        if not match:
            return ()
        scheme, user, hosts, rest = match[1], match[2] or "", match[3].split(","), match[4]
        first = cls.parse(f"{scheme}://{user}{hosts[0]}{rest}")
        if first.db or not all(hosts):
            raise ValueError("the store's URL, for a cluster, must name host:port of some nodes and no database")
        places = [_split(f"{scheme}://{host}") for host in hosts]
        return tuple(first.at(place.hostname or "", place.port or 6379) for place in places)

    def at(self, host: str, port: int) -> "StoreAddress":
        """The same user, password and TLS on another server."""
        return replace(self, host=host, port=port)

    async def connect(self, protocol: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        """Open the connection. Raises OSError."""
        loop = asyncio.get_running_loop()
        if self.path:
            transport, _ = await loop.create_unix_connection(protocol, self.path)
        else:
            transport, _ = await loop.create_connection(protocol, self.host, self.port, ssl=self.tls)
        return transport

    def greeting(self, name: str) -> Iterator[tuple[str | int, ...]]:
        """What must be answered before anything else: protocol 3 (a hash is a dict), who we are, which database."""
        credentials = ("AUTH", self.user, self.password) if self.password else ()
        yield ("HELLO", 3, *credentials, "SETNAME", name)
        if self.db:
            yield ("SELECT", self.db)


def _split(url: str) -> SplitResult:
    """Split a URL whose port is a number. Python's own error would quote a password with a slash in it as the port."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("the store's URL cannot be read; is its password percent-encoded?") from None
    return parts


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 4):
        raise ValueError("the store's URL must name its database by a number")
    return int(text or 0)


def _verified(options: dict[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
        if "ssl_certfile" in options:
            context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    except OSError:
        raise ValueError(f"the store's {', '.join(_TLS_FILES)} must be readable PEM files") from None
    return context
