"""One service with one method that streams, and two ways to it: over gRPC and inside one process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import grpc.aio
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from patience import AMPLE_S, ample

from cardnet.border import Border
from cardnet.call import Call, current
from cardnet.client import Channel
from cardnet.doors import methods_of, who_calls
from cardnet.env import Env
from cardnet.errors import Fault
from cardnet.identity import TRUST_DOMAIN, Door
from cardnet.recorder import Recorder
from cardnet.span import TEXT
from cardnet.v1.token_lifecycle_pb2 import FollowTokensRequest, TokenNotification
from cardnet.v1.token_lifecycle_pb2_grpc import (
    TokenNotificationsServicer,
    TokenNotificationsStub,
    add_TokenNotificationsServicer_to_server,
)
from cardnet.v1.token_pb2 import Token
from cardnet.wire import SERVER_OPTIONS, GrpcLink, InProcessLink, Link

FOLLOW = "/cardnet.v1.TokenNotifications/FollowTokens"
PAN = "9999000000000012"
ASKED = FollowTokensRequest(token_requestor_id="00000000001")


def answer(position: int, **changes: object) -> TokenNotification:
    token = Token(
        token_reference_id="reference-1",
        token_requestor_id="00000000001",
        state="TOKEN_STATE_ACTIVE",
        token_last_four="0014",
        token_expiry="2911",
        pan_last_four="0012",
        par="S" * 29,
        token_assurance_level="10",
        usage="TOKEN_USAGE_CARD_ON_FILE",
    )
    fields = {"token": token, "party": 1, "cause": 1, "changed_at": "2026-11-22T23:50:00Z", "position": position}
    return TokenNotification(**{**fields, **changes})


class Source(TokenNotificationsServicer):
    """Answers with what it is given: notifications, or a fault to be raised; then it waits, or ends."""

    def __init__(self) -> None:
        self.script: list[TokenNotification | BaseException] = []
        self.ends = False
        self.given = 0
        self.waiting = False
        self.seen: list[Call | None] = []
        self.began, self.cleaned_up = asyncio.Event(), asyncio.Event()

    async def FollowTokens(self, request, call):
        self.began.set()
        try:
            for item in self.script:
                self.seen += [call, current.get()]
                if isinstance(item, BaseException):
                    raise item
                self.given += 1
                yield item
            if not self.ends:
                self.waiting = True
                await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # cleaning up may take a turn of the loop or more
            self.cleaned_up.set()


class Spans:
    """Keeps what is sent to a sink."""

    form = TEXT

    def __init__(self) -> None:
        self.spans = []

    async def export(self, data):
        self.spans += TracesData.FromString(data).resource_spans[0].scope_spans[0].spans

    def only(self) -> dict[str, str]:
        (span,) = self.spans
        return {attribute.key: attribute.value.string_value for attribute in span.attributes}


class House:
    """One service with one method that streams, and a link to it."""

    def __init__(self) -> None:
        self.source, self.sink = Source(), Spans()
        self.recorder = Recorder("tsp", [self.sink])
        self.border = Border(Env.of("tsp"), Door.BUSINESS, self.recorder)
        add_TokenNotificationsServicer_to_server(self.source, self.border)
        self.server = grpc.aio.server(options=SERVER_OPTIONS)
        self.link_as: Callable[[str], Link] = lambda caller: InProcessLink("tsp", self.border, caller)
        self.links: dict[str, Link] = {}

    @property
    def link(self) -> Link:
        return self.linked("merchant")

    def linked(self, caller: str) -> Link:
        if caller not in self.links:
            self.links[caller] = self.link_as(caller)
        return self.links[caller]

    def stub(self, caller: str = "merchant", recorder: Recorder | None = None) -> TokenNotificationsStub:
        channel = Channel(self.linked(caller), Env.of("test"), timeout_s=25, recorder=recorder)
        return TokenNotificationsStub(channel)

    def follow(self, **options):
        return self.stub().FollowTokens(ASKED, **options)


@asynccontextmanager
async def running(wire: str) -> AsyncIterator[House]:
    """wire: "inside" or "grpc"."""
    house = House()
    if wire == "grpc":
        house.server.add_generic_rpc_handlers((methods_of(house.border, who_calls("tsp", TRUST_DOMAIN)),))
        port = house.server.add_insecure_port("127.0.0.1:0")
        await house.server.start()
        house.link_as = lambda caller: GrpcLink("tsp", f"127.0.0.1:{port}", caller)
    yield house
    for link in house.links.values():
        await link.close()
    async with ample():
        house.border.stop_streams()
        await house.server.stop(None)
        await house.border.drain()


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop turn until it is so."""
    async with asyncio.timeout(AMPLE_S):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


async def until_its_end(stream) -> tuple[list[int], BaseException | None]:
    """The positions that came, and the fault that was the end."""
    positions = []
    try:
        async with asyncio.timeout(AMPLE_S):
            async for notification in stream:
                positions.append(notification.position)
    except Fault as fault:
        return positions, fault
    return positions, None
