"""The caller's side of a call: what every question to a neighbour passes on its way out.

A `Channel` has what generated stubs ask of one, so the stubs run unchanged over any link. It hands on the trace and
what is left of the caller's deadline, holds the answer to its rules and records the step.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message

from cardnet import messages
from cardnet.call import Call, TraceContext, current
from cardnet.env import Env
from cardnet.errors import Fault, Malformed, NotPermitted, TimedOut, Unauthenticated, Unavailable
from cardnet.recorder import Records
from cardnet.span import Ended
from cardnet.status import status_of
from cardnet.wire import Link

MARGIN_S = 0.1
"""How much earlier than its own caller a hop gives up, so that it can still say so."""


class Channel:
    """Asks one neighbour."""

    def __init__(self, link: Link, env: Env, *, timeout_s: float, recorder: Records | None = None) -> None:
        """timeout_s: the longest wait, where the caller's deadline is not nearer."""
        self._link = link
        self._env = env
        self._timeout_s = timeout_s
        self._recorder = recorder

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes],  # noqa: ARG002 - the message serialises itself
        response_deserializer: Callable[[bytes], Any],
        **_options: object,
    ) -> Callable[..., Awaitable[Any]]:
        """What a generated stub asks of its channel, once for each method."""
        kind: type[Message] = type(response_deserializer(b""))

        async def ask(request: Message, *, timeout: float | None = None, traceparent: str | None = None) -> Message:  # noqa: ASYNC109
            return await self._ask(method, kind, request, timeout, traceparent)

        return ask

    def unary_stream(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes],  # noqa: ARG002 - the message serialises itself
        response_deserializer: Callable[[bytes], Any],
        **_options: object,
    ) -> Callable[..., AsyncGenerator[Any, None]]:
        """What a generated stub asks of its channel for a method that streams.

        The stub gives an async generator. Closing it, as `contextlib.aclosing` does, hangs up.
        """
        kind: type[Message] = type(response_deserializer(b""))

        def follow(
            request: Message, *, timeout: float | None = None, traceparent: str | None = None
        ) -> AsyncGenerator[Message, None]:
            return self._follow(method, kind, request, timeout, traceparent)

        return follow

    async def close(self) -> None:
        """Let go of the neighbour."""
        await self._link.close()

    async def _ask(
        self, method: str, kind: type[Message], request: Message, timeout_s: float | None, traceparent: str | None
    ) -> Message:
        parent = current.get()
        trace, metadata = self._place(parent, traceparent)
        start_ns = self._env.clock.now_ns()
        response: Message | None = None
        failed = ""
        try:
            data = await self._link.call(method, request.SerializeToString(), metadata, self._wait_s(timeout_s))
            response = _checked(kind, data)
            return response
        except Fault as fault:
            failed = status_of(fault)[0].name
            _keep_from_caller(fault, parent)
            raise
        finally:
            if self._recorder and parent and trace:
                end_ns = self._env.clock.now_ns()
                ended = Ended(method, False, trace, parent.trace.span_id, start_ns, end_ns, request, response, failed)
                self._recorder.record(ended)

    async def _follow(
        self, method: str, kind: type[Message], request: Message, timeout_s: float | None, traceparent: str | None
    ) -> AsyncGenerator[Message, None]:
        parent = current.get()
        trace, metadata = self._place(parent, traceparent)
        start_ns = self._env.clock.now_ns()
        answers, failed = 0, ""
        try:
            stream = self._link.stream(method, request.SerializeToString(), metadata, self._end_s(timeout_s))
            async with aclosing(stream):
                async for data in stream:
                    answers += 1
                    yield _checked(kind, data)
        except Fault as fault:
            failed = status_of(fault)[0].name
            _keep_from_caller(fault, parent)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            failed = "CANCELLED"
            raise
        finally:
            if self._recorder and parent and trace:
                end_ns = self._env.clock.now_ns()
                span = Ended(
                    method, False, trace, parent.trace.span_id, start_ns, end_ns, request, None, failed, answers
                )
                self._recorder.record(span)

    def _place(self, parent: Call | None, traceparent: str | None) -> tuple[TraceContext | None, dict[str, str]]:
        """Where a question stands in its trace, and the metadata that go with it."""
        trace = TraceContext(parent.trace.trace_id, self._env.trace_ids.hex(8)) if parent else None
        place = trace.traceparent if trace else traceparent
        return trace, {"traceparent": place} if place else {}

    def _end_s(self, timeout_s: float | None) -> float | None:
        """When a stream ends: with the call that it serves, if it serves one, or when it was told to."""
        call = current.get()
        left_s = math.inf if call is None else call.remaining_s() - MARGIN_S
        if left_s <= 0:
            raise _no_time_left()
        end_s = min(left_s, math.inf if timeout_s is None else timeout_s)
        return None if math.isinf(end_s) else end_s

    def _wait_s(self, timeout_s: float | None) -> float:
        wait_s = timeout_s or self._timeout_s
        call = current.get()
        if call is None:
            return wait_s
        left_s = call.remaining_s() - MARGIN_S
        if left_s <= 0:
            raise _no_time_left()
        return min(wait_s, left_s)


def _no_time_left() -> TimedOut:
    return TimedOut("NO_TIME_LEFT", "the caller's deadline leaves no time to ask any further")


def _keep_from_caller(fault: Fault, parent: Call | None) -> None:
    """That a service is not let in by the next is its own affair, and not its caller's: Unavailable instead."""
    if parent and isinstance(fault, Unauthenticated | NotPermitted):
        raise Unavailable("NEIGHBOUR_REFUSES", "a service does not let another in: check their identities") from None


def _checked(kind: type[Message], data: bytes) -> Message:
    try:
        return messages.parse(kind, data)
    except Malformed:
        # The neighbour acted, but what it says cannot be trusted: the outcome counts as unknown.
        raise Unavailable("ANSWER_MALFORMED", "a neighbour's answer was not a message that obeys its rules") from None
