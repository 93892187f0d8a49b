"""A stream of answers that is under way: one answer at a time, in a context of its own, to be ended from outside."""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator
from contextvars import copy_context
from typing import Any

from google.protobuf.message import Message

from cardnet.call import Call, current
from cardnet.errors import TimedOut, Unavailable

log = logging.getLogger("cardnet")


class Stream:
    """A servicer's answers to one call, as its caller takes them.

    Nothing runs ahead of the caller: the servicer goes on when the next answer is asked for. Each step is a task in the
    stream's own context, because an async generator would otherwise set `current` for whoever iterates over it.
    """

    def __init__(self, answers: AsyncGenerator[Message, None], call: Call) -> None:
        self._answers = answers
        self._call = call
        self._context = copy_context()
        self._context.run(current.set, call)
        self._step: asyncio.Task[Message] | None = None
        self._stopped = False

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> Message:
        """The next answer. TimedOut at the deadline, Unavailable when the service stops, else the servicer's faults."""
        if self._stopped:
            raise stopping()
        left_s = self._call.remaining_s()
        self._step = asyncio.create_task(self._advance(), context=self._context)
        limit = asyncio.timeout(None if math.isinf(left_s) else left_s)
        try:
            async with limit:
                return await self._step
        except TimeoutError:
            if limit.expired():
                raise TimedOut("STREAM_ENDED", "the stream's deadline has come; ask again from where it was") from None
            raise
        except asyncio.CancelledError:
            if self._stopped and not _being_cancelled():
                raise stopping() from None
            raise

    def stop(self) -> asyncio.Task[Any] | None:
        """End the stream with Unavailable, now or when its caller comes back. Gives what still runs of it."""
        self._stopped = True
        if self._step is None or self._step.done():
            return None
        self._step.cancel()
        return self._step

    async def aclose(self) -> None:
        """Let the servicer clean up behind itself, also while the caller is being cancelled."""
        await asyncio.shield(asyncio.create_task(self._close(), context=self._context))

    async def _advance(self) -> Message:
        return await anext(self._answers)

    async def _close(self) -> None:
        try:
            await self._answers.aclose()
        except Exception as bug:  # nobody is there any more to be told; the exception's text may hold anything
            log.error("a stream's servicer did not clean up behind itself: %s", type(bug).__name__)


def stopping() -> Unavailable:
    """What a caller meets when the service ends its streams."""
    return Unavailable("SERVICE_STOPPING", "the service is being stopped; ask again when it is back")


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
