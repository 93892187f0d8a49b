"""What requestors are told of their tokens.

    tsp:{notify:<TRID>}:list   the requestor's notifications, the first at position 1; only ever added to
    tsp:{notify:<TRID>}:marks  each token's reference -> the last version that stands there

A relay takes the changes from the tokens' outboxes; those who follow read the lists.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from importlib import resources
from typing import Protocol

from cardnet.call import Call
from cardnet.errors import Fault, InvalidField
from cardnet.store import Store
from cardnet.v1.token_lifecycle_pb2 import FollowTokensRequest, TokenNotification
from cardnet.v1.token_lifecycle_pb2_grpc import TokenNotificationsServicer as TokenNotificationsServicerBase
from services.tsp.domain import Requestor
from services.tsp.outbox import Outbox

LIBRARY = resources.files("services.tsp").joinpath("notifications.lua").read_text()

LOOK_AGAIN_S = 1.0
"""How often outboxes and lists are looked at when nobody wakes us: another process may have written."""

AT_ONCE = 100
"""How many notifications are read in one go."""

log = logging.getLogger("cardnet")


class Registry(Protocol):
    """Who is registered here."""

    async def registered(self, token_requestor_id: str, caller: str) -> Requestor:
        """The requestor, if it is registered to the caller; else NotPermitted."""
        ...


class Notifications:
    """Every requestor's notifications. Raises Unavailable when the store does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._news: dict[str, asyncio.Event] = {}

    async def add(self, reference: str, version: int, change: bytes) -> None:
        """Add a change of a token, unless it is there: a serialised TokenNotification, without its position."""
        token_requestor_id = TokenNotification.FromString(change).token.token_requestor_id
        keys = (_key(token_requestor_id, "list"), _key(token_requestor_id, "marks"))
        if await self._store.call("tsp_notify", keys, (reference, version, change)):
            self._news.pop(token_requestor_id, asyncio.Event()).set()

    async def after(self, token_requestor_id: str, position: int) -> list[TokenNotification]:
        """The next notifications after a position, at most AT_ONCE; none where there are no more."""
        key = _key(token_requestor_id, "list")
        found = await self._store.command("LRANGE", key, position, position + AT_ONCE - 1)
        return [_placed(change, at) for at, change in enumerate(found, position + 1)]

    async def last(self, token_requestor_id: str) -> int:
        """The position of a requestor's last notification; 0 where there is none."""
        return int(await self._store.command("LLEN", _key(token_requestor_id, "list")))

    def news(self, token_requestor_id: str) -> asyncio.Event:
        """What is set when the requestor is told something more. Take it before you look at what there is."""
        return self._news.setdefault(token_requestor_id, asyncio.Event())


class Relay:
    """Passes on what waits in the outboxes, in each token's order; stopped anywhere, it loses and doubles nothing."""

    def __init__(self, store: Store, notifications: Notifications, changed: asyncio.Event) -> None:
        """changed: set by whoever changes tokens in this process."""
        self._outbox = Outbox(store)
        self._notifications = notifications
        self._changed = changed

    async def run(self) -> None:
        """Pass on until cancelled."""
        while True:
            self._changed.clear()
            with suppress(Fault):  # the store is away: the outboxes keep what they have for the next look
                await self.pass_on()
            await within(LOOK_AGAIN_S, self._changed)

    async def pass_on(self) -> None:
        """Pass on what waits now."""
        for reference, marks in (await self._outbox.waiting()).items():
            try:
                await self._pass_on_one(reference, marks)
            except Fault as fault:
                if fault.reason == "STORE_UNAVAILABLE":
                    raise
                log.error("a token's changes cannot be passed on (%s); it will be tried again", fault.reason)
            except Exception as bug:  # one that is damaged must not keep all others from being told
                log.error("a token's changes cannot be passed on: %s; it will be tried again", type(bug).__name__)

    async def _pass_on_one(self, reference: str, marks: set[str]) -> None:
        # The version is read before the outbox: what belongs to it or to an earlier one is in there, or was passed on.
        version = await self._outbox.version_of(reference)
        for changed_to, change in await self._outbox.changes(reference):
            await self._notifications.add(reference, changed_to, change)
            await self._outbox.forget(reference, changed_to)
        await self._outbox.clear(reference, marks, version)


class TokenNotificationsServicer(TokenNotificationsServicerBase):
    """Tells requestors of their tokens, for as long as they listen."""

    def __init__(self, notifications: Notifications, requestors: Registry) -> None:
        self._notifications = notifications
        self._requestors = requestors

    async def FollowTokens(self, request: FollowTokensRequest, call: Call) -> AsyncIterator[TokenNotification]:
        """Tell all from a position on: what was, and what comes."""
        token_requestor_id, position = request.token_requestor_id, request.after_position
        await self._requestors.registered(token_requestor_id, call.caller)
        if position > await self._notifications.last(token_requestor_id):
            raise InvalidField("after_position", "must not be beyond the requestor's last notification")
        while True:
            news = self._notifications.news(token_requestor_id)
            found = await self._notifications.after(token_requestor_id, position)
            for notification in found:
                yield notification
            position += len(found)
            if not found:
                await within(LOOK_AGAIN_S, news)


async def within(seconds: float, event: asyncio.Event) -> None:
    """Wait for an event, but no longer than this."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _placed(change: bytes, position: int) -> TokenNotification:
    notification = TokenNotification.FromString(change)
    notification.position = position
    return notification


def _key(token_requestor_id: str, part: str) -> str:
    return f"tsp:{{notify:{token_requestor_id}}}:{part}"
