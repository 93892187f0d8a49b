"""A Redis Cluster as one store: who is asked, and what is done when that was the wrong one.

Only what the cluster certainly did not do is asked again: a question to the wrong node (MOVED, ASK), one whose keys are
being moved (TRYAGAIN), one that found no connection. A question whose answer was lost is never asked again.
"""

import asyncio
from typing import Any, Final

from cardnet.store.node import Node
from cardnet.store.refusal import Refusal
from cardnet.store.slots import SLOTS, slot_asked
from cardnet.store.topology import Topology
from cardnet.store.wire import Command, Unsent

_MOST_MASTERS: Final = 1_000
"""A cluster has no more: a search's cursor says in its last three digits which of them it is at."""

_NOT_DONE: Final = frozenset({"MOVED", "ASK", "TRYAGAIN"})
"""Refusals after which a question may be asked again, here or elsewhere."""


class Cluster:
    """All nodes of a cluster, one connection to each that is asked. It is to a Store what a single Node is."""

    def __init__(self, topology: Topology, timeout_s: float) -> None:
        """timeout_s: how long a question waits for keys that are being moved."""
        self._topology = topology
        self._timeout_s = timeout_s

    async def ask(self, command: Command) -> Any:
        """Send a command to whoever serves its keys. The reply may be a Refusal. ConnectionError when none came."""
        slot = slot_asked(command)
        node = self._topology.owners[slot] or await self._look_up(slot)
        patience: _Patience | None = None
        importing = False
        while isinstance(node, Node):
            try:
                reply = await node.ask(command, importing=importing)
            except Unsent:
                former, node, importing = node, await self._look_up(slot), False
                patience = patience or _Patience(self._timeout_s)
                if node is former or not await patience.lasts():
                    raise
                continue
            except ConnectionError:
                self._topology.learn_soon()
                raise
            if not isinstance(reply, Refusal):
                return reply
            if reply.code not in _NOT_DONE:
                if reply.code == "CLUSTERDOWN":
                    self._topology.learn_soon()
                return reply
            patience = patience or _Patience(self._timeout_s)
            if not await patience.lasts(pause=reply.code == "TRYAGAIN"):
                return Refusal("TRYAGAIN")
            importing = reply.code == "ASK"
            node = self._redirected(slot, reply, node)
        return node

    async def open(self) -> Any:
        """Find every node and load the functions in each master. A Refusal where somebody cannot serve."""
        if refusal := await self._topology.learn():
            return refusal
        answers = await asyncio.gather(*(node.open() for node in self._topology.masters))
        return next((answer for answer in answers if isinstance(answer, Refusal)), b"OK")

    async def ping(self) -> Any:
        """Whether every slot has a master, and every master takes commands at this moment."""
        for _ in range(2):  # a master may have been replaced since we heard of it
            if self._topology.whole:
                pongs = await asyncio.gather(*(one.ping() for one in self._topology.masters), return_exceptions=True)
                if all(pong is True for pong in pongs):
                    return True
            await self._topology.learn()
        return False

    async def scan(self, cursor: str | bytes, pattern: str, count: int) -> Any:
        """One step of a search among the names of all keys, one master after the other."""
        if not self._topology.masters and (refusal := await self._topology.learn()):
            return refusal
        masters = self._topology.masters
        at, index = divmod(int(cursor), _MOST_MASTERS)
        if index >= len(masters):
            return b"0", []
        reply = await masters[index].scan(str(at), pattern, count)
        if isinstance(reply, Refusal):
            return reply
        at = int(reply[0])
        index += at == 0
        return (b"0" if index == len(masters) else b"%d%03d" % (at, index)), reply[1]

    async def layout(self) -> Any:
        """Which master has which slots, and since when. A Refusal while keys are being moved.

        Where it is the same before and after a search, no key can have got past it.
        """
        if refusal := await self._topology.learn():
            return refusal
        told = await asyncio.gather(*(node.send(("CLUSTER", "NODES")) for node in self._topology.masters))
        for reply in told:
            if isinstance(reply, Refusal):
                return reply
        layout = [_own_line(reply) for reply in told]
        return layout if sum(map(_slots_at_rest, layout)) == SLOTS else Refusal("UNSTEADY")

    async def close(self) -> None:
        """Drop all connections."""
        await self._topology.close()

    async def _look_up(self, slot: int) -> Node | Refusal:
        """Learn anew who serves a slot."""
        refusal = await self._topology.learn()
        return self._topology.owners[slot] or refusal or Refusal("CLUSTERDOWN")

    def _redirected(self, slot: int, reply: Refusal, by: Node) -> Node:
        """Whom to ask next."""
        if reply.elsewhere is None:
            return self._topology.owners[slot] or by
        node = self._topology.node(reply.elsewhere, by)
        if reply.code == "MOVED":
            self._topology.owners[slot] = node
            self._topology.learn_soon(node)  # who has taken a slot over knows the most
        return node


class _Patience:
    """How long one question is asked again."""

    _FIRST_PAUSE_S, _MOST_PAUSE_S = 0.005, 0.1  # twice as long each time
    _AT_ONCE = 3  # redirections are followed without a pause; nodes that disagree for longer need time

    def __init__(self, timeout_s: float) -> None:
        self._clock = asyncio.get_running_loop()
        self._until = self._clock.time() + timeout_s
        self._times = 0
        self._pause_s = self._FIRST_PAUSE_S

    async def lasts(self, *, pause: bool = False) -> bool:
        """Whether to ask once more, after a pause where that is asked for or it has been asked often."""
        self._times += 1
        if pause or self._times > self._AT_ONCE:
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, self._MOST_PAUSE_S)
        return self._clock.time() < self._until


def _own_line(nodes: bytes) -> tuple[str, ...]:
    """What a node says of itself in CLUSTER NODES: its identifier, the epoch of its slots, and these."""
    for line in nodes.decode().splitlines():
        identifier, _, flags, _, _, _, epoch, _, *slots = line.split()
        if "myself" in flags.split(","):
            return identifier, epoch, *slots
    return ()


def _slots_at_rest(own_line: tuple[str, ...]) -> int:
    """How many slots a node has; far too few where one of them, in brackets then, is on its way."""
    ranges = own_line[2:]
    if any(part.startswith("[") for part in ranges):
        return -SLOTS
    ends = [part.split("-") for part in ranges]
    return sum(int(end[-1]) + 1 - int(end[0]) for end in ends)
