"""What is known of a cluster: its nodes, and which of them serves which slot. Any node can say it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from cardnet.store.address import StoreAddress
from cardnet.store.node import Node
from cardnet.store.refusal import Place, Refusal
from cardnet.store.slots import SLOTS

_UNKNOWN: Final = "?"
"""What a node calls a host that it does not know."""


class Topology:
    """The nodes of a cluster and their slots, as somebody said it last.

    masters: in the order of their identifiers, so that a search finds its place again. owners: for each slot, the node
    to ask, or None. whole: whether each slot has one.
    """

    def __init__(self, seeds: Sequence[StoreAddress], node_at: Callable[[StoreAddress], Node]) -> None:
        """seeds: some of the nodes."""
        self.masters: list[Node] = []
        self.owners: list[Node | None] = [None] * SLOTS
        self.whole = False
        self._seeds = [Place(seed.host, seed.port) for seed in seeds]
        self._address = seeds[0]
        self._node_at = node_at
        self._nodes: dict[Place, Node] = {}
        self._learning: asyncio.Task[Refusal | ConnectionError | None] | None = None
        self._closed = False

    async def learn(self) -> Refusal | None:
        """Learn it anew. All who want to know at the same time share one answer.

        A Refusal where a slot has nobody. ConnectionError where no node answers.
        """
        self.learn_soon()
        trouble = await asyncio.shield(self._learning) if self._learning else ConnectionError()
        if isinstance(trouble, ConnectionError):
            raise trouble
        return trouble or (None if self.whole else Refusal("CLUSTERDOWN"))

    def learn_soon(self, from_: Node | None = None) -> None:
        """Begin to learn it anew, unless that is being done. from_: who knows the most."""
        if not self._closed and (self._learning is None or self._learning.done()):
            self._learning = asyncio.create_task(self._ask_around(from_))

    def node(self, place: Place, by: Node | None = None) -> Node:
        """The node at a place; by: who named it."""
        host = place.host or (by.address.host if by else "")
        place = Place(host, place.port)
        if place not in self._nodes:
            self._nodes[place] = self._node_at(self._address.at(*place))
        return self._nodes[place]

    async def close(self) -> None:
        """Drop all connections."""
        self._closed = True
        for node in self._nodes.values():
            node.drop()
        if self._learning:
            await asyncio.wait([self._learning])
        await asyncio.sleep(0)  # the event loop closes the sockets in its next turn

    async def _ask_around(self, from_: Node | None) -> Refusal | ConnectionError | None:
        """Ask one node after the other, until one says it. Else: what the last one said."""
        trouble: Refusal | ConnectionError = ConnectionError()
        for node in self._whom_to_ask(from_):
            if self._closed:
                return ConnectionError()
            try:
                reply = await node.send(("CLUSTER", "SLOTS"))
            except ConnectionError:
                continue
            if not isinstance(reply, Refusal):
                self._take_over(reply, node)
                return None
            trouble = reply
        return trouble

    def _whom_to_ask(self, from_: Node | None) -> Iterator[Node]:
        """Everybody, those first of whom nothing bad is known."""
        if from_:
            yield from_
        others = [node for node in self._nodes.values() if node is not from_]
        yield from sorted(others, key=lambda node: not node.connected)
        yield from [self.node(seed) for seed in self._seeds if seed not in self._nodes]

    def _take_over(self, ranges: Sequence[Any], by: Node) -> None:
        """Believe a node. ranges: as CLUSTER SLOTS gives them: first slot, last slot, the master, its replicas."""
        owners: list[Node | None] = [None] * SLOTS
        masters: dict[bytes, Node] = {}
        members: dict[Place, Node] = {}
        for first, last, *servers in ranges:
            for rank, (host, port, identifier, *_) in enumerate(servers):
                place = Place((host or b"").decode(), port)
                if place.host == _UNKNOWN:
                    continue
                node = self.node(place, by)
                members[Place(node.address.host, node.address.port)] = node
                if rank == 0:
                    masters[identifier] = node
                    owners[first : last + 1] = [node] * (last + 1 - first)
        # Who has left is forgotten when it has hung up: what is in flight there may still be answered.
        self._nodes = members | {place: node for place, node in self._nodes.items() if node.connected}
        self.masters = [masters[identifier] for identifier in sorted(masters)]
        self.owners, self.whole = owners, None not in owners
