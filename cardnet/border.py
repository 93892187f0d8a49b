"""The border of a service: what every call passes on its way in, whatever wire brought it.

In this order: who calls, until when, are the bytes a message that obeys its rules. Then the servicer answers; on the
way out faults become statuses and the call leaves its span. Servicers hold no try, no log and no span.
"""

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from cardnet import messages
from cardnet.call import Call, TraceContext, current
from cardnet.env import Env
from cardnet.errors import Fault, Malformed
from cardnet.identity import METADATA_KEY, Callers
from cardnet.status import status_of
from cardnet.trace import Ended, Recorder

MAX_DEADLINE_S = 30.0
"""The longest that a caller may wait. A call without a deadline is refused: somebody must give up at some time."""

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
"""W3C Trace Context, section 3.2: version ff is none, and identifiers of zeros alone are not either."""

log = logging.getLogger("cardnet")


class Border:
    """Takes a service's calls in. Given to the generated `add_…Servicer_to_server` functions as their server."""

    def __init__(self, env: Env, callers: Callers, recorder: Recorder) -> None:
        self._env = env
        self._callers = callers
        self._recorder = recorder
        self._methods: dict[str, tuple[Any, type[Message]]] = {}
        self._running: set[asyncio.Task[Message]] = set()

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """What the generated code calls with a servicer's methods."""
        for name, handler in handlers.items():
            self._methods[f"/{service}/{name}"] = (handler.unary_unary, _kind(handler.request_deserializer))

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """What the generated code calls too, with the same methods once more."""

    @property
    def methods(self) -> list[str]:
        """The methods served, as gRPC paths."""
        return list(self._methods)

    async def answer(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float | None) -> bytes:
        """Answer one call, from bytes to bytes. Faults are raised, and are all that is raised.

        method: the gRPC path, one of `methods`. timeout_s: how long the caller waits, None if it did not say.
        """
        handler, kind = self._methods[method]
        start_ns = self._env.clock.now_ns()
        parent, trace = self._place(metadata)
        request: Message | None = None
        response: Message | None = None
        failed = ""
        try:
            caller = self._callers.admit(metadata.get(METADATA_KEY), method)
            call = Call(caller, time.monotonic() + _checked(timeout_s), trace)
            request = messages.parse(kind, data)
            response = await self._answer(handler, request, call)
            return response.SerializeToString()
        except Fault as fault:
            failed = status_of(fault)[0].name
            raise
        except asyncio.CancelledError:
            failed = "CANCELLED"
            raise
        except Exception as bug:
            failed = "INTERNAL"
            raise self._internal(method, bug) from None
        finally:
            end_ns = self._env.clock.now_ns()
            self._recorder.record(Ended(method, True, trace, parent, start_ns, end_ns, request, response, failed))

    async def drain(self) -> None:
        """Wait until what has begun is finished."""
        if self._running:
            await asyncio.wait(self._running)

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

    def _place(self, metadata: Mapping[str, str]) -> tuple[str, TraceContext]:
        place = _TRACEPARENT.fullmatch(metadata.get("traceparent", ""))
        span_id = self._env.trace_ids.hex(8)
        if place:
            return place[2], TraceContext(place[1], span_id)
        return "", TraceContext(self._env.trace_ids.hex(16), span_id)

    def _internal(self, method: str, bug: Exception) -> Fault:
        reference = self._env.trace_ids.hex(4)
        # The exception's text may hold anything; its type and place do not.
        place = bug.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place else "?"
        log.error("internal error %s in %s: %s at %s", reference, method, type(bug).__name__, where)
        return Fault("INTERNAL", f"an error inside cardnet; the service's log has it under {reference}")


async def _within(call: Call, handler: Any, request: Message) -> Message:
    current.set(call)
    answer: Message = await handler(request, call)
    return answer


def _checked(timeout_s: float | None) -> float:
    if timeout_s is None:
        raise Malformed("the call has no deadline; give one of at most 30 s", "DEADLINE_REQUIRED")
    if timeout_s > MAX_DEADLINE_S + 1:  # the second is for clocks and rounding on the way
        raise Malformed("the call's deadline is too far away; give one of at most 30 s", "DEADLINE_TOO_LONG")
    return timeout_s


def _kind(deserializer: Any) -> type[Message]:
    """The message class behind a generated deserialiser, which is its bound FromString."""
    kind: type[Message] = type(deserializer(b""))
    return kind
