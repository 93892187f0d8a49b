"""Ports of this machine, kept for services that are about to start."""

import contextlib
import socket
from collections.abc import Sequence

from cardnet.errors import Unavailable

HOST = "127.0.0.1"


class Ports:
    """Ports that nobody else gets until they are released.

    Each is bound but not listened at, so that no connection is lost to us, and with SO_REUSEPORT, as gRPC binds, so
    that the service can listen there while we still hold it.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def take(self, port: int = 0, otherwise: str = "choose others with --port-base") -> str:
        """Keep a port, any free one for 0; gives host:port.

        Unavailable if another program has it; `otherwise` says what can be done besides stopping that one.
        """
        if port:
            self._refuse_if_taken(port, otherwise)
        kept = socket.socket()
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind((HOST, port))
        self._sockets.append(kept)
        return f"{HOST}:{kept.getsockname()[1]}"

    def row(self, names: Sequence[str], places: Sequence[str], base: int, *otherwise: str) -> dict[str, str]:
        """A port for each name: as far from `base` as it stands in the row of places; any free one where base is 0."""
        return {name: self.take(base + places.index(name) if base else 0, *otherwise) for name in names}

    def release(self) -> None:
        """Let go of all ports."""
        for kept in self._sockets:
            kept.close()
        self._sockets.clear()

    @staticmethod
    def _refuse_if_taken(port: int, otherwise: str) -> None:
        # A socket that does not share its port finds every other holder, a second cardnet among them.
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                raise Unavailable("PORT_TAKEN", f"port {port} is taken: stop what uses it, or {otherwise}") from None
