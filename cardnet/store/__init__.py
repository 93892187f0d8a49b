"""How a service talks to its Redis (or Valkey): it asks, and gets the answer or a fault.

Nothing is tried twice behind the caller's back: a client that asks again after a lost reply takes the same hold twice
(measured with redis-py 8.1 and its defaults: 22 of 300). The exceptions are a function that was not there and, in a
cluster, a key that has moved: then nothing was done.
"""

from collections.abc import AsyncIterator, Coroutine, Sequence
from hashlib import sha1
from typing import Any

from cardnet.errors import Unavailable
from cardnet.store.address import StoreAddress
from cardnet.store.cluster import Cluster
from cardnet.store.node import Node
from cardnet.store.refusal import Refusal
from cardnet.store.topology import Topology

_DISPATCH = "return functions[table.remove(ARGV, 1)](KEYS, ARGV)"
"""The script's last line: the function to call comes before its arguments."""


class Store:
    """One service's store: a single connection, on which many commands are in flight at once; in a cluster, one to each
    node.

    url: unix://user:password@/path, redis://user:password@host:port/db, or rediss://... for TLS; for a Redis Cluster
    redis+cluster://user:password@host:port,host:port with some of its nodes, or rediss+cluster://... for TLS.
    libraries: Lua sources, each of which adds to the table `functions`: one for each decision that must be
    taken in one piece. owner: the service, for faults and CLIENT LIST.
    timeout_s: how long one command may take, connecting included. In a cluster, a command whose keys are just being
    moved waits as long again for that.

    Every coroutine but `ping` raises Unavailable: STORE_UNAVAILABLE when no answer came (whether the store acted is not
    known) and STORE_REFUSED when it answered with an error. Neither quotes Redis, because Redis quotes arguments.
    All keys of one call or command share a hash tag: in a cluster it is a ValueError if they do not.
    A store belongs to one event loop; it connects when first asked, and again after any trouble.
    """

    def __init__(self, url: str, *libraries: str, owner: str, timeout_s: float = 2.0) -> None:
        script = "\n".join(("local functions = {}", *libraries, _DISPATCH))
        self._digest = sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._owner = owner

        def node_at(address: StoreAddress) -> Node:
            return Node(address, script, f"cardnet-{owner}", timeout_s)

        seeds = StoreAddress.parse_cluster(url)
        self._servers: Node | Cluster
        if seeds:
            self._servers = Cluster(Topology(seeds, node_at), timeout_s)
        else:
            self._servers = node_at(StoreAddress.parse(url))

    async def open(self) -> None:
        """Connect and load the functions, so that whatever is wrong shows at the start and not at the first payment.

        In a cluster, every master answers, or this is Unavailable.
        """
        self._accepted(await self._answered(self._servers.open()))

    async def call(self, function: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
        """Call a function. Strings come back as bytes, nil and false as None."""
        command = ("EVALSHA", self._digest, len(keys), *keys, function, *args)
        try:
            return self._accepted(await self._servers.ask(command))
        except ConnectionError:
            raise self._silent() from None

    async def command(self, *parts: str | bytes | int) -> Any:
        """Send one plain command, such as ("HGETALL", key). Strings come back as bytes, a hash as a dict.

        In a cluster it must be one that says by its keys which node is asked.
        """
        try:
            return self._accepted(await self._servers.ask(parts))
        except ConnectionError:
            raise self._silent() from None

    async def scan(self, cursor: str | bytes, pattern: str, count: int) -> tuple[bytes, list[bytes]]:
        """One step of a search among the names of all keys, on every node: where to go on, and the names found.

        cursor: b"0" at the beginning; b"0" comes back at the end, and digits until then. count: about how many keys are
        looked at. What moves between nodes meanwhile may be missed: `names` misses nothing.
        """
        following, names = self._accepted(await self._answered(self._servers.scan(cursor, pattern, count)))
        return following, names

    async def names(self, pattern: str, count: int = 1_000) -> AsyncIterator[list[bytes]]:
        """The names of a pattern, some at a time. What is there all the time comes at least once, on whatever node.

        Unavailable while a cluster moves keys between its nodes, and it begins again if one did so meanwhile.
        """
        before = None
        while before != (layout := await self._layout()):
            before, cursor = layout, b""
            while cursor != b"0":
                cursor, names = await self.scan(cursor or b"0", pattern, count)
                if names:
                    yield names

    async def ping(self) -> bool:
        """Whether the store takes commands at this moment; in a cluster, every master."""
        try:
            return bool(await self._servers.ping())
        except ConnectionError:
            return False

    async def close(self) -> None:
        """Drop every connection, for good. Whatever is in flight, or asked afterwards, ends as Unavailable."""
        await self._servers.close()

    async def _layout(self) -> Any:
        return self._accepted(await self._answered(self._servers.layout()))

    async def _answered(self, asking: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await asking
        except ConnectionError:
            raise self._silent() from None

    def _accepted(self, reply: Any) -> Any:
        """The reply, unless it is an error."""
        if not isinstance(reply, Refusal):
            return reply
        if reply.passing:
            raise Unavailable("STORE_UNAVAILABLE", f"the {self._owner}'s store {reply.passing}")
        raise Unavailable("STORE_REFUSED", f"the {self._owner}'s store refuses: {reply.explanation}")

    def _silent(self) -> Unavailable:
        return Unavailable("STORE_UNAVAILABLE", f"the {self._owner}'s store does not answer; is it running?")
