"""Webhooks that run over a test's store, with a registry that the test writes and pauses that take no time."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable

from notice_desk import A, Desk
from patience import AMPLE_S
from receiver import Posted
from tsp_provider import ON_FILE, WITH_CRYPTOGRAM

from cardnet.env import Clock, Rng
from cardnet.errors import Unavailable
from services.tsp.domain import Requestor
from services.tsp.requestors import Requestors
from services.tsp.turns import Turns
from services.tsp.webhooks import Webhooks

SECRET, OTHER = "5e" * 32, "07" * 32
Pause = Callable[[float], Awaitable[None]]


class Registry:
    """Two requestors, and where they are called."""

    def __init__(self) -> None:
        self.webhooks: dict[str, tuple[str, str]] = {}
        self.fault: Unavailable | None = None

    async def all(self) -> list[Requestor]:
        known = await Requestors(None, None).find(ON_FILE)  # type: ignore[arg-type]
        other = await Requestors(None, None).find(WITH_CRYPTOGRAM)  # type: ignore[arg-type]
        assert known and other
        return [known, other]

    async def webhook_of(self, token_requestor_id: str) -> tuple[str, str] | None:
        if self.fault and token_requestor_id == ON_FILE:
            raise self.fault
        return self.webhooks.get(token_requestor_id)

    async def set_webhook(self, token_requestor_id: str, url: str, secret: str) -> bool:
        self.webhooks[token_requestor_id] = (url, secret)
        if not url:
            del self.webhooks[token_requestor_id]
        return True


class Crew:
    """The processes that are there, as one of them sees them."""

    def __init__(self, name: str, present: set[str]) -> None:
        self.name = name
        self.present = present
        present.add(name)

    async def there(self, name: str) -> bool:
        return name in self.present

    stays = there


class Post:
    """Webhooks that run, whose pauses are noted and take no time."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.registry = Registry()
        self.pauses: list[float] = []
        self.present: set[str] = set()
        """The names of the processes that are there."""
        self._running: list[asyncio.Task[None]] = []

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def start(self, pause: Pause | None = None, timeout_s: float = AMPLE_S, name: str = "this") -> Webhooks:
        """name: of the process in which they run."""
        webhooks = Webhooks(
            self.desk.store,
            self.desk.notifications,
            self.registry,
            Clock(),
            Turns(self.desk.store, Crew(name, self.present)),
            chance=Rng("pauses"),
            pause=pause or self.pause,
            timeout_s=timeout_s,
        )
        self._running.append(asyncio.create_task(webhooks.run()))
        return webhooks

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()

    async def told(self, *versions: int, reference: str = A, trid: str = ON_FILE) -> None:
        await self.desk.change(reference, *versions, trid=trid)
        await self.desk.relay.pass_on()


def numbers(got: list[Posted]) -> list[int]:
    return [int(one.id.rpartition("_")[2]) for one in got]


def right(secret: str, posted: Posted) -> bool:
    """As the specification says it, in other words than ours."""
    stamp, (version, signature) = posted.headers["webhook-timestamp"], posted.headers["webhook-signature"].split(",")
    content = ".".join((posted.id, stamp, posted.body.decode())).encode()
    computed = hmac.new(bytes.fromhex(secret), content, hashlib.sha256).digest()
    return version == "v1" and base64.b64decode(signature) == computed
