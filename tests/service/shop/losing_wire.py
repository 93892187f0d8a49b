"""A wire between services on which answers may get lost."""

from collections.abc import AsyncGenerator, Mapping

from cardnet.errors import TimedOut
from cardnet.wire import Link


class Wire:
    """Given to LocalNetwork as its tap."""

    def __init__(self) -> None:
        self.losing = False
        """Whether the acquirer's answers to payments are lost now."""
        self.payments = 0
        """How often the acquirer was asked for one."""

    def __call__(self, _service: str, link: Link) -> Link:
        return _LosingLink(link, self)


class _LosingLink:
    def __init__(self, link: Link, wire: Wire) -> None:
        self._link, self._wire = link, wire

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:
        answer = await self._link.call(method, data, metadata, timeout_s)
        if method.endswith("/SubmitPayment"):
            self._wire.payments += 1
            if self._wire.losing:
                raise TimedOut("NEIGHBOUR_TIMED_OUT", "the acquirer did not answer in time")
        return answer

    def stream(
        self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        return self._link.stream(method, data, metadata, timeout_s)

    async def close(self) -> None:
        await self._link.close()
