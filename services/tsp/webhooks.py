"""Notifications posted to those who would rather be called than follow, signed as Standard Webhooks says.

https://github.com/standard-webhooks/standard-webhooks, version 1.0.0: HMAC-SHA256 with the requestor's secret over
"id.timestamp.body".

    tsp:{notify:<TRID>}:posted  the position of the requestor's last notification that was taken

A requestor's notifications go out in order, the next only after the last was taken with a 2xx. Each is offered until
then, so one may come more than once, under the same id. Of several processes one posts them (services/tsp/turns.py).
"""

import asyncio
import base64
import hashlib
import hmac
import importlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cardnet.env import Clock, Rng
from cardnet.errors import Fault
from cardnet.store import Store
from cardnet.v1.token_lifecycle_pb2 import TokenNotification
from services.tsp.domain import Requestor
from services.tsp.notifications import Notifications, within
from services.tsp.turns import Turns, posting

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 15.0
"""How long an address may take to answer: what the specification recommends at the least."""

LEAST_PAUSE_S, MOST_PAUSE_S = 1.0, 300.0
"""The bounds of the pause before a notification is offered again."""

LOOK_AGAIN_S = 5.0
"""How often is looked for webhooks and notifications of which nobody told us: another process may have written."""

MOST_ANSWER_BYTES = 64 * 1024
"""So much of an answer is read, to use the connection again; nothing in it counts."""

GONE = 410

log = logging.getLogger("cardnet")


class Registry(Protocol):
    """Who is registered here, and where their notifications are posted."""

    async def all(self) -> Sequence[Requestor]:
        """Every requestor."""
        ...

    async def webhook_of(self, token_requestor_id: str) -> tuple[str, str] | None:
        """Address and secret (64 hexadecimal digits), or None for nowhere."""
        ...

    async def set_webhook(self, token_requestor_id: str, url: str, secret: str) -> bool:
        """Post somewhere else; nowhere with an empty address."""
        ...


class Answer(NamedTuple):
    """What came of posting a notification. status: HTTP's, 0 where none came. pause_s: what the address asks for."""

    status: int
    pause_s: float = 0.0
    problem: str = ""

    @property
    def taken(self) -> bool:
        """Whether the next notification may follow."""
        return 200 <= self.status <= 299


class Webhooks:
    """Posts notifications. Runs beside the service; what it cannot post it offers again."""

    def __init__(
        self,
        store: Store,
        notifications: Notifications,
        requestors: Registry,
        clock: Clock,
        turns: Turns,
        *,
        chance: Rng | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """chance: draws the pauses, apart from what a test may assert; None for the operating system's."""
        self._store = store
        self._notifications = notifications
        self._requestors = requestors
        self._clock = clock
        self._turns = turns
        self._chance = chance or Rng()
        self._pause = pause
        self._timeout_s = timeout_s
        self._posting: dict[str, asyncio.Task[None]] = {}
        self._woken: set[str] = set()
        self._changed = asyncio.Event()
        self._client: httpx.AsyncClient | None = None

    def wake(self, token_requestor_id: str) -> None:
        """A requestor's webhook was set: post there now, without what is left of a pause."""
        if under_way := self._posting.pop(token_requestor_id, None):
            under_way.cancel()
        self._woken.add(token_requestor_id)
        self._changed.set()

    async def run(self) -> None:
        """Post until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    self._changed.clear()
                    with suppress(Fault):  # the store is away: what is to be posted stays there
                        await self._begin(group)
                    await within(LOOK_AGAIN_S, self._changed)
        finally:
            if self._client:
                await self._client.aclose()

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        """Have a task for each requestor with a webhook, but for those that another process posts to."""
        for requestor in await self._requestors.all():
            known = requestor.token_requestor_id
            under_way = self._posting.get(known)
            with suppress(Fault):  # one whose address cannot be read must not keep the others waiting
                if under_way and not under_way.done():
                    continue
                if await self._requestors.webhook_of(known) and await self._taken(known):
                    if self._client is None:
                        # In a thread: a quarter of a second that would hold payments up.
                        self._client = await asyncio.to_thread(_client, self._timeout_s)
                    self._posting[known] = group.create_task(self._post_all(known))

    async def _taken(self, token_requestor_id: str) -> bool:
        """Whether it is this process that posts. It is, where the webhook was set here: whoever did is waiting."""
        if token_requestor_id in self._woken:
            await self._turns.seize(posting(token_requestor_id))
            self._woken.discard(token_requestor_id)
            return True
        return await self._turns.take(posting(token_requestor_id))

    async def _post_all(self, token_requestor_id: str) -> None:
        """Post what there is and what comes, until there is no webhook any more."""
        try:
            while await self._requestors.webhook_of(token_requestor_id) and await self._ours(token_requestor_id):
                await self._post_next(token_requestor_id)
        except Fault as fault:
            log.warning("requestor %s: posting waits (%s)", token_requestor_id, fault.reason)
        except Exception as bug:  # one that cannot be posted must not end the posting of all others
            log.error("requestor %s: posting failed (%s) and begins anew", token_requestor_id, type(bug).__name__)

    async def _post_next(self, token_requestor_id: str) -> None:
        """Post what there is, or wait for something."""
        key = f"tsp:{{notify:{token_requestor_id}}}:posted"
        news = self._notifications.news(token_requestor_id)
        posted = int(await self._store.command("GET", key) or 0)
        found = await self._notifications.after(token_requestor_id, posted)
        for notification in found:
            if not await self._deliver(token_requestor_id, notification):
                return
            if not await self._turns.note(posting(token_requestor_id), key, notification.position):
                return
        if not found:
            await within(LOOK_AGAIN_S, news)

    async def _deliver(self, token_requestor_id: str, notification: TokenNotification) -> bool:
        """Offer a notification until it is taken. False when there is no webhook any more, or another process posts."""
        failures = 0
        while webhook := await self._requestors.webhook_of(token_requestor_id):
            if not await self._ours(token_requestor_id):
                return False
            answer = await self._post(*webhook, notification)
            if answer.taken:
                return True
            if answer.status == GONE and await self._requestors.webhook_of(token_requestor_id) == webhook:
                log.error("requestor %s: its webhook says that it is gone and is switched off", token_requestor_id)
                await self._requestors.set_webhook(token_requestor_id, "", "")
                return False
            pause_s = max(self._pause_s(failures), min(answer.pause_s, MOST_PAUSE_S))
            # Without the address, which may hold a secret in its path.
            log.warning(
                "requestor %s: its webhook does not take notification %d (%s); it is offered again in %.0f s",
                token_requestor_id,
                notification.position,
                answer.problem or f"status {answer.status}",
                pause_s,
            )
            await self._pause(pause_s)
            failures += 1
        return False

    async def _ours(self, token_requestor_id: str) -> bool:
        return await self._turns.ours(posting(token_requestor_id))

    async def _post(self, url: str, secret: str, notification: TokenNotification) -> Answer:
        assert self._client is not None  # made before the first task that posts
        body = payload(notification)
        headers = {"content-type": "application/json"}
        headers |= signed(bytes.fromhex(secret), id_of(notification), int(self._clock.wall_s()), body)
        answer = Answer(0)
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", url, content=body, headers=headers) as response,
            ):
                answer = Answer(response.status_code, _asked_for(response.headers))
                await _read(response)
        except Exception as trouble:  # the status counts, if there is one, whatever became of the rest
            return answer if answer.status else Answer(0, problem=type(trouble).__name__)
        return answer

    def _pause_s(self, failures: int) -> float:
        """Twice as long each time, less a share that chance draws, so that not all come back at once."""
        longest_s: float = min(MOST_PAUSE_S, 2 * LEAST_PAUSE_S * 2 ** min(failures, 20))
        return longest_s * (1 - int(self._chance.digits(3)) / 2000)


def payload(notification: TokenNotification) -> bytes:
    """A notification as it is posted: JSON with the protos' names, in the envelope that the specification advises."""
    from google.protobuf.json_format import MessageToDict  # 4 ms that no start has to pay

    data = MessageToDict(notification, preserving_proto_field_name=True)
    document = {"type": "token.changed", "timestamp": notification.changed_at, "data": data}
    return json.dumps(document, separators=(",", ":")).encode()


def id_of(notification: TokenNotification) -> str:
    """The same however often it is offered."""
    return f"msg_{notification.token.token_requestor_id}_{notification.position}"


def signed(secret: bytes, id_: str, timestamp_s: int, body: bytes) -> Mapping[str, str]:
    """The headers that let the receiver know who posts. timestamp_s: of this offer, in seconds since 1970."""
    content = b"%s.%d.%s" % (id_.encode(), timestamp_s, body)
    signature = base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return {"webhook-id": id_, "webhook-timestamp": str(timestamp_s), "webhook-signature": f"v1,{signature}"}


def _client(timeout_s: float) -> "httpx.AsyncClient":
    for library in ("httpx", "httpcore"):  # they log addresses and headers
        logging.getLogger(library).setLevel(logging.WARNING)
    client: httpx.AsyncClient = importlib.import_module("httpx").AsyncClient(
        timeout=timeout_s, follow_redirects=False, trust_env=False
    )
    return client


def _asked_for(headers: Mapping[str, str]) -> float:
    """The pause that an answer asks for, in seconds. HTTP's other form, a date, is passed over."""
    text: str = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0.0


async def _read(response: "httpx.Response") -> None:
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > MOST_ANSWER_BYTES:
            return
