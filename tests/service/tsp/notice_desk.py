"""A vault's store in which tokens change as the vault changes them, and stores that fail or are disturbed."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from patience import STORE_TIMEOUT_S
from tsp_provider import ON_FILE

from cardnet.errors import Unavailable
from cardnet.store import Store
from cardnet.v1.token_lifecycle_pb2 import TokenNotification
from cardnet.v1.token_pb2 import Token
from services.tsp import notifications as telling
from services.tsp import turns
from services.tsp import vault as keeping
from services.tsp.notifications import Notifications, Relay
from services.tsp.outbox import WAITING, mark

LIBRARIES = (keeping.LIBRARY, telling.LIBRARY, turns.LIBRARY)
A, B = "a" * 32, "b" * 32
Step = Callable[[], Awaitable[object]]


class Between(Store):
    """A store that has something else done before each command: given the command's number, from 0 on."""

    def __init__(self, url: str, before: Callable[[int], Awaitable[None]], after: Any = None) -> None:
        super().__init__(url, *LIBRARIES, owner="tsp", timeout_s=STORE_TIMEOUT_S)
        self._number = count()
        self._before, self._after = before, after

    async def call(self, *asked: Any) -> Any:
        return await self._between(super().call, asked)

    async def command(self, *asked: Any) -> Any:
        return await self._between(super().command, asked)

    async def _between(self, ask: Any, asked: Any) -> Any:
        number = next(self._number)
        await self._before(number)
        answer = await ask(*asked)
        if self._after:
            await self._after(number)
        return answer


async def nothing(_number: int) -> None:
    pass


def dying_at(at: int) -> Callable[[int], Awaitable[None]]:
    async def die(number: int) -> None:
        if number >= at:
            raise Unavailable("STORE_UNAVAILABLE", "dead")

    return die


class Desk:
    """A vault's store, tokens that change in it, and what is told of them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.store = Store(url, *LIBRARIES, owner="tsp", timeout_s=STORE_TIMEOUT_S)
        self.notifications = Notifications(self.store)
        self.changed = asyncio.Event()
        self.relay = Relay(self.store, self.notifications, self.changed)

    def relay_over(self, before: Any = nothing, after: Any = None) -> tuple[Relay, Store]:
        store = Between(self._url, before, after)
        return Relay(store, Notifications(store), asyncio.Event()), store

    async def pass_on(self, before: Any = nothing, after: Any = None) -> bool:
        """Pass on once, with a relay of its own. False if it died on the way."""
        relay, store = self.relay_over(before, after)
        try:
            await relay.pass_on()
        except Unavailable:
            return False
        finally:
            await store.close()
        return True

    async def announce(self, reference: str, version: int) -> None:
        """The first step of a change, as the vault makes it."""
        await self.store.command("SADD", WAITING, mark(reference, version))

    async def write(self, reference: str, version: int, trid: str = ON_FILE) -> bool:
        """Its second step."""
        expected = "" if version == 1 else str(version - 1)
        keys = [f"tsp:{{{reference}}}:record", f"tsp:{{{reference}}}:outbox"]
        notice = notification(reference, version, trid).SerializeToString()
        record = [expected, str(version), "ACTIVE", "1", "facts", "sealed", "salt", notice]
        return bool(await self.store.call("tsp_write_record", keys, record))

    async def change(self, reference: str, *versions: int, trid: str = ON_FILE) -> None:
        for version in versions:
            await self.announce(reference, version)
            assert await self.write(reference, version, trid)

    async def told(self, trid: str = ON_FILE) -> list[tuple[str, int]]:
        """Reference and version of all that a requestor was told, at positions without a gap."""
        found = await self.notifications.after(trid, 0)
        assert [told.position for told in found] == list(range(1, len(found) + 1))
        return [(told.token.token_reference_id, told.token.version) for told in found]

    async def left_over(self) -> list[Any]:
        keys = [f"tsp:{{{reference}}}:outbox" for reference in (A, B)]
        outboxes = [await self.store.command("HGETALL", key) for key in keys]
        return [*filter(None, outboxes), *await self.store.command("SMEMBERS", WAITING)]


def notification(reference: str, version: int, trid: str = ON_FILE) -> TokenNotification:
    token = Token(
        token_reference_id=reference,
        token_requestor_id=trid,
        state="TOKEN_STATE_ACTIVE",
        token_last_four="0014",
        token_expiry="2911",
        pan_last_four="0012",
        par="S" * 29,
        token_assurance_level="10",
        usage="TOKEN_USAGE_CARD_ON_FILE",
        version=version,
    )
    return TokenNotification(token=token, party=1, cause=1, changed_at="2026-11-22T23:50:00Z")
