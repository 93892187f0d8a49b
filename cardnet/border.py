"""The border of a service: what every call passes on its way in, whatever wire brought it.

In this order: who calls, until when, are the bytes a message that obeys its rules. Then the servicer answers, once or
with a stream; on the way out faults become statuses and the call leaves its span. Servicers hold no try, no log and no
span.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Collection, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from google.protobuf.message import Message

from cardnet import messages
from cardnet.call import Call, TraceContext, current
from cardnet.env import Env
from cardnet.errors import Fault, Malformed, Overloaded
from cardnet.identity import Door, admit
from cardnet.recorder import Recorder
from cardnet.span import Ended
from cardnet.status import status_of
from cardnet.stream import Stream, stopping

MAX_DEADLINE_S = 30.0
"""The longest that a caller may wait. A call without a deadline is refused: somebody must give up at some time."""

MAX_STREAM_S = 24 * 3600.0
"""The longest deadline of a stream. It needs none: it ends when its caller hangs up."""

MAX_STREAMS = 128
"""More at once are refused, so that those who only listen leave room for calls (`server.MAX_CONCURRENT_CALLS`)."""

ASKED_BEFORE = "grpc-previous-rpc-attempts"
"""The metadata by which gRPC says that it asks again (gRFC A6)."""

DELIVERED_BEFORE = "x-cardnet-delivered-before"
"""The same of a call that a fault switch delivers once more: gRPC takes its own word out where others wrote it."""

log = logging.getLogger("cardnet")


class _Method(NamedTuple):
    answer: Any
    """The servicer's own method: a coroutine, or an async generator where it streams."""
    kind: type[Message]
    streams: bool


class Border:
    """Takes a service's calls in. Given to the generated `add_…Servicer_to_server` functions as their server."""

    def __init__(self, env: Env, door: Door, recorder: Recorder) -> None:
        self._env = env
        self._door = door
        self._recorder = recorder
        self._methods: dict[str, _Method] = {}
        self._running: set[asyncio.Task[Message]] = set()
        self._streams: set[Stream] = set()
        self._stopping = False

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """What the generated code calls with a servicer's methods."""
        for name, handler in handlers.items():
            answer = handler.unary_stream if handler.response_streaming else handler.unary_unary
            kind = _kind(handler.request_deserializer)
            self._methods[f"/{service}/{name}"] = _Method(answer, kind, handler.response_streaming)

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """What the generated code calls too, with the same methods once more."""

    @property
    def methods(self) -> Collection[str]:
        """The methods served, as gRPC paths."""
        return self._methods.keys()

    def streams(self, method: str) -> bool:
        """Whether a method answers with a stream, and so is asked by `stream` and not by `answer`."""
        return self._methods[method].streams

    async def answer(
        self, method: str, data: bytes, caller: str, metadata: Mapping[str, str], timeout_s: float | None
    ) -> bytes:
        """Answer one call, from bytes to bytes. Faults are raised, and are all that is raised.

        method: the gRPC path, one of `methods`. caller: the name that the wire vouches for; empty for nobody's.
        timeout_s: how long the caller waits, None if it did not say.
        """
        handler, kind, _ = self._methods[method]
        with _Visit(self._env, self._recorder, method, metadata) as visit:
            admit(caller, self._door, method)
            again = ASKED_BEFORE in metadata or DELIVERED_BEFORE in metadata
            call = Call(caller, time.monotonic() + _checked(timeout_s), visit.trace, again)
            visit.request = messages.parse(kind, data)
            visit.response = await self._answer(handler, visit.request, call)
            return visit.response.SerializeToString()

    async def stream(
        self, method: str, data: bytes, caller: str, metadata: Mapping[str, str], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        """Answer one call with a stream, in bytes. As `answer`, but it ends with its caller.

        Whoever stops asking closes it (`contextlib.aclosing`), and so lets the servicer clean up behind itself.
        timeout_s: when it is to end with TimedOut; None for never. Unavailable when the service stops.
        """
        handler, kind, _ = self._methods[method]
        with _Visit(self._env, self._recorder, method, metadata) as visit:
            admit(caller, self._door, method)
            call = Call(caller, time.monotonic() + _checked_stream(timeout_s), visit.trace)
            visit.request = messages.parse(kind, data)
            visit.answers = 0
            stream = self._opened(Stream(handler(visit.request, call), call))
            try:
                async for response in stream:
                    visit.answers += 1
                    yield response.SerializeToString()
            finally:
                self._streams.discard(stream)
                await stream.aclose()

    def stop_streams(self) -> None:
        """End the streams that are under way and take no more: they would go on for as long as their callers."""
        self._stopping = True
        for stream in self._streams:
            stream.stop()

    async def drain(self) -> None:
        """End the streams, and wait until what has begun is finished."""
        self._stopping = True
        ending = {step for stream in self._streams if (step := stream.stop())}
        if self._running or ending:
            await asyncio.wait(self._running | ending)

    async def _answer(self, handler: Any, request: Message, call: Call) -> Message:
        # In a task of its own, so that a caller who goes away does not stop a payment half-way.
        task = asyncio.create_task(_within(call, handler, request))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Message]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Raised to whoever still waits. Where nobody does, asyncio would print the exception, text and all.
            task.exception()

    def _opened(self, stream: Stream) -> Stream:
        if self._stopping:
            raise stopping()
        if len(self._streams) >= MAX_STREAMS:
            raise Overloaded("TOO_MANY_STREAMS", f"{MAX_STREAMS} streams are open, and no more are taken; close some")
        self._streams.add(stream)
        return stream


class _Visit:
    """One call at the border: whatever becomes of it, it leaves its span, and all that it raises is a Fault."""

    def __init__(self, env: Env, recorder: Recorder, method: str, metadata: Mapping[str, str]) -> None:
        self._env = env
        self._recorder = recorder
        self._method = method
        self._start_ns = env.clock.now_ns()
        self._parent, self.trace = _place(env, metadata)
        self.request: Message | None = None
        self.response: Message | None = None
        self.answers: int | None = None
        """How many there were, where they are a stream."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end_ns = self._env.clock.now_ns()
        bug = error is not None and not isinstance(error, Fault | asyncio.CancelledError | GeneratorExit)
        failed = "INTERNAL" if bug else _status(error)
        self._recorder.record(
            Ended(
                self._method,
                True,
                self.trace,
                self._parent,
                self._start_ns,
                end_ns,
                self.request,
                self.response,
                failed,
                self.answers,
            )
        )
        if bug and isinstance(error, Exception):
            raise self._placed(self._internal(error)) from None
        if isinstance(error, Fault):
            self._placed(error)

    def _placed(self, fault: Fault) -> Fault:
        """The fault, and where it is to be seen what led to it: there is no answer that would say so."""
        fault.trace_id = self.trace.trace_id
        return fault

    def _internal(self, bug: Exception) -> Fault:
        reference = self._env.trace_ids.hex(4)
        # The exception's text may hold anything; its type and place do not.
        place = bug.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place else "?"
        log.error("internal error %s in %s: %s at %s", reference, self._method, type(bug).__name__, where)
        return Fault("INTERNAL", f"an error inside cardnet; the service's log has it under {reference}")


async def _within(call: Call, handler: Any, request: Message) -> Message:
    current.set(call)
    answer: Message = await handler(request, call)
    return answer


def _place(env: Env, metadata: Mapping[str, str]) -> tuple[str, TraceContext]:
    place = TraceContext.read(metadata.get("traceparent", ""))
    span_id = env.trace_ids.hex(8)
    if place:
        return place.span_id, TraceContext(place.trace_id, span_id)
    return "", TraceContext(env.trace_ids.hex(16), span_id)


def _status(error: BaseException | None) -> str:
    """The gRPC status of how a call ended; empty where it was answered. A caller who hangs up has cancelled it."""
    if error is None:
        return ""
    return status_of(error)[0].name if isinstance(error, Fault) else "CANCELLED"


def _checked(timeout_s: float | None) -> float:
    if timeout_s is None:
        raise Malformed("the call has no deadline; give one of at most 30 s", "DEADLINE_REQUIRED")
    if timeout_s > MAX_DEADLINE_S + 1:  # the second is for clocks and rounding on the way
        raise Malformed("the call's deadline is too far away; give one of at most 30 s", "DEADLINE_TOO_LONG")
    return timeout_s


def _checked_stream(timeout_s: float | None) -> float:
    if timeout_s is None:
        return math.inf
    if timeout_s > MAX_STREAM_S * 1.01:  # gRPC sends long deadlines with three digits, rounded up
        raise Malformed("the stream's deadline is too far away; give one of at most 24 h", "DEADLINE_TOO_LONG")
    return timeout_s


def _kind(deserializer: Any) -> type[Message]:
    """The message class behind a generated deserialiser, which is its bound FromString."""
    kind: type[Message] = type(deserializer(b""))
    return kind
