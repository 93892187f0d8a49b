"""A console that is served."""

from cardnet.console.site import Console, site
from cardnet.face import Face


class ServedConsole:
    """A console at an address of its own."""

    def __init__(self, console: Console, listen: str, origin: str = "") -> None:
        """listen: host:port. origin: what browsers call it, if that is not localhost and this port."""
        self.origin = origin or f"http://localhost:{listen.rpartition(':')[2]}"
        """What browsers call it."""
        self._console = console
        self._face = Face(site(console, self.origin), listen)

    async def open(self) -> None:
        """Serve it. OSError when the address cannot be had."""
        await self._face.open()

    async def close(self) -> None:
        """Let go of who looks, and end."""
        self._console.closing.set()
        await self._face.close()
