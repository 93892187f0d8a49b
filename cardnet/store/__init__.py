"""How a service talks to its Redis (or Valkey): it asks, and gets the answer or a fault.

Nothing is tried twice behind the caller's back: a client that asks again after a lost reply takes the same hold twice
(measured with redis-py 8.1 and its defaults: 22 of 300). The one exception is a function that was not there, for then
nothing was done.
"""

import asyncio
from collections.abc import Sequence
from hashlib import sha1
from typing import Any

from cardnet.errors import Unavailable
from cardnet.store.address import StoreAddress
from cardnet.store.refusal import Refusal
from cardnet.store.wire import Command, StoreWire

_DISPATCH = "return functions[table.remove(ARGV, 1)](KEYS, ARGV)"
"""The script's last line: the function to call comes before its arguments."""


class Store:
    """One service's store: a single connection, on which many commands are in flight at once.

    url: unix://user:password@/path, redis://user:password@host:port/db, or rediss://... for TLS.
    libraries: Lua sources, each of which adds to the table `functions`: one for each decision that must be
    taken in one piece. owner: the service, for faults and CLIENT LIST.
    timeout_s: how long one command may take, connecting included.

    Every coroutine but `ping` raises Unavailable: STORE_UNAVAILABLE when no answer came (whether the store acted is not
    known) and STORE_REFUSED when it answered with an error. Neither quotes Redis, because Redis quotes arguments.
    A store belongs to one event loop; it connects when first asked, and again after any trouble.
    """

    def __init__(self, url: str, *libraries: str, owner: str, timeout_s: float = 2.0) -> None:
        self._address = StoreAddress.parse(url)
        self._script = "\n".join(("local functions = {}", *libraries, _DISPATCH))
        self._digest = sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._owner = owner
        self._timeout_s = timeout_s
        self._wire: StoreWire | None = None
        self._loading: asyncio.Task[Any] | None = None

    async def open(self) -> None:
        """Connect and load the functions, so that whatever is wrong shows at the start and not at the first payment."""
        await self.command("PING")
        await self._load_functions()

    async def call(self, function: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        """Call a function. Strings come back as bytes, nil and false as None."""
        command = ("EVALSHA", self._digest, len(keys), *keys, function, *args)
        reply = await self._ask(command)
        if isinstance(reply, Refusal) and reply.script_missing:
            await self._load_functions()
            reply = await self._ask(command)
        return self._accepted(reply)

    async def command(self, *parts: str | bytes | int) -> Any:
        """Send one plain command, such as ("HGETALL", key). Strings come back as bytes, a hash as a dict."""
        return self._accepted(await self._ask(parts))

    async def ping(self) -> bool:
        """Whether the store takes commands at this moment."""
        try:
            return bool(await self.command("PING") == b"PONG")
        except Unavailable:
            return False

    async def close(self) -> None:
        """Drop the connection. Whatever is in flight ends as Unavailable."""
        if self._wire:
            self._wire.drop()
            await asyncio.sleep(0)  # the event loop closes the socket in its next turn

    async def _load_functions(self) -> None:
        """Load the functions. Of a hundred callers that miss them, one loads and all share the outcome."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load())
        self._accepted(await asyncio.shield(self._loading))

    async def _load(self) -> Any:
        # By its digest a script can only be called by somebody who has its text. Redis's own Functions are called by
        # name, and whoever may load one may replace another service's.
        return await self._ask(("SCRIPT", "LOAD", self._script))

    async def _ask(self, command: Command) -> Any:
        """Send a command, on a new connection if there is none, and wait for its reply, which may be a Refusal."""
        wire = self._wire
        if wire is None or wire.dropped:
            wire = self._wire = StoreWire(self._address, f"cardnet-{self._owner}", self._timeout_s)
        try:
            return await wire.send(command)
        except ConnectionError:
            raise self._silent("does not answer; is it running?") from None

    def _accepted(self, reply: Any) -> Any:
        """The reply, unless it is an error."""
        if not isinstance(reply, Refusal):
            return reply
        if reply.code == "LOADING":
            raise self._silent("is still reading its data; ask again in a moment")
        raise Unavailable("STORE_REFUSED", f"the {self._owner}'s store refuses: {reply.explanation}")

    def _silent(self, what: str) -> Unavailable:
        return Unavailable("STORE_UNAVAILABLE", f"the {self._owner}'s store {what}")
