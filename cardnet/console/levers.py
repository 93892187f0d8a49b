"""What may be done to the services of a network that was started to be disturbed."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Literal, Protocol, get_args

from cardnet.errors import InvalidField
from cardnet.faults import Faults

Action = Literal["stop", "start", "pause", "resume"]
ACTIONS: tuple[Action, ...] = get_args(Action)

MAY = {"running": ("stop", "pause"), "paused": ("stop", "resume"), "stopped": ("start",), "ended": ("start",)}
"""What may be done to a service in each of its states."""


class Process(Protocol):
    """One service's process, as far as it may be acted upon."""

    @property
    def state(self) -> str:
        """One of those in MAY."""
        ...

    async def start(self) -> None:
        """Start it and wait until it serves. Unavailable if it does not."""
        ...

    async def stop(self) -> None:
        """End it and wait until it has."""
        ...

    def pause(self) -> None:
        """Have it stand still."""
        ...

    def resume(self) -> None:
        """Have it go on."""
        ...


class Levers:
    """The fault switches, and the services' processes where each has one."""

    def __init__(self, faults: Faults, processes: Mapping[str, Process]) -> None:
        self.faults = faults
        self._processes = processes
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def services(self) -> tuple[str, ...]:
        """Those that can be stopped: none where all run in one process."""
        return tuple(self._processes)

    async def pull(self, service: str, action: str) -> None:
        """Do something to a service; what is so already stays. InvalidField; Unavailable if it does not start."""
        if service not in self._processes:
            raise InvalidField(
                "service", f"must be one of {', '.join(self._processes) or 'none: all run in one process'}"
            )
        process = self._processes[service]
        async with self._turns[service]:
            if action not in MAY.get(process.state, ()):
                return
            if action == "start":
                await process.start()
            elif action == "stop":
                await process.stop()
            elif action == "pause":
                process.pause()
            else:
                process.resume()
