"""Who is using the keys as they are, so that none is destroyed under the hands of who reads or writes with it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound="HasKeys")


class Using:
    """How many are using the keys as they were in one epoch: enter it with `with`, as often as you like."""

    __slots__ = ("_count", "_over")

    def __init__(self) -> None:
        self._count = 0
        self._over: asyncio.Event | None = None

    def __enter__(self) -> None:
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if self._over and not self._count:
            self._over.set()

    async def over(self) -> None:
        """Wait until all have left. Nobody may enter any more."""
        if self._count:
            self._over = self._over or asyncio.Event()
            await self._over.wait()


class Keys(Protocol):
    """A set of keys that changes."""

    def using(self) -> Using:
        """Who uses it as it is now."""
        ...

    async def up_to_date(self) -> None:
        """Look whether it is still as it was, where that may not be so any more."""
        ...


class HasKeys(Protocol):
    """What has such a set."""

    @property
    def _keys(self) -> Keys: ...


_inside: ContextVar[bool] = ContextVar("cardnet_tsp_using_keys", default=False)
"""Whether the running task holds them already. Then it must not wait until nobody uses them as they were."""

Method = Callable[Concatenate[H, P], Coroutine[Any, Any, R]]


def while_using_keys(method: Method[H, P, R]) -> Method[H, P, R]:
    """Let a method hold `KeySet.using` while it runs: for all that take names or seal, and then ask the store."""

    @wraps(method)
    async def held(self: H, *args: P.args, **kwargs: P.kwargs) -> R:
        if _inside.get():
            return await method(self, *args, **kwargs)
        await self._keys.up_to_date()
        inside = _inside.set(True)
        try:
            with self._keys.using():
                return await method(self, *args, **kwargs)
        finally:
            _inside.reset(inside)

    return cast(Method[H, P, R], held)
