"""A tap on the wires between services in one process: what travels there in clear, secrets and all.

Traces mask secrets, so whether the *same* token goes back, or a PAN ever reaches the edge, is seen here.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

from google.protobuf.message import Message

from cardnet.wire import Link

M = TypeVar("M", bound=Message)


@dataclass
class Exchange:
    """One call. response: None while there is no answer, where a fault was one, or where `streamed` has the answers."""

    method: str
    request: bytes
    response: bytes | None = None
    streamed: list[bytes] = field(default_factory=list)


class Tap:
    """Remembers every call; given to LocalNetwork as its tap."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def __call__(self, _service: str, link: Link) -> Link:
        return _TappedLink(link, self.exchanges)

    def calls(self, call: str) -> list[Exchange]:
        """The calls of an RPC, by its own name, in the order in which they were sent."""
        return [exchange for exchange in self.exchanges if exchange.method.endswith(f"/{call}")]

    def all(self, kind: type[M]) -> list[M]:
        """The messages of a kind, each as its receiver read it."""
        name = kind.DESCRIPTOR.name
        if name.endswith("Request"):
            return [kind.FromString(exchange.request) for exchange in self.calls(name.removesuffix("Request"))]
        answers = (exchange.response for exchange in self.calls(name.removesuffix("Response")))
        return [kind.FromString(answer) for answer in answers if answer is not None]

    def only(self, kind: type[M]) -> M:
        """The one message of a kind."""
        messages = self.all(kind)
        assert len(messages) == 1, f"{len(messages)} times {kind.DESCRIPTOR.name}"
        return messages[0]

    def at_the_edge(self) -> bytes:
        """All that travelled outside the cardholder data environment, both ways."""
        edge = [exchange for exchange in self.exchanges if exchange.method.startswith("/cardnet.v1.")]
        assert edge
        return b"\n".join(
            b"\n".join((exchange.request, exchange.response or b"", *exchange.streamed)) for exchange in edge
        )


class _TappedLink:
    def __init__(self, link: Link, exchanges: list[Exchange]) -> None:
        self._link = link
        self._exchanges = exchanges

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:
        exchange = Exchange(method, data)
        self._exchanges.append(exchange)
        exchange.response = await self._link.call(method, data, metadata, timeout_s)
        return exchange.response

    async def stream(
        self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        exchange = Exchange(method, data)
        self._exchanges.append(exchange)
        async with aclosing(self._link.stream(method, data, metadata, timeout_s)) as answers:
            async for answer in answers:
                exchange.streamed.append(answer)
                yield answer

    async def close(self) -> None:
        await self._link.close()
