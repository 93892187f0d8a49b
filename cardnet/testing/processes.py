"""The five services as child processes."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

import cardnet
from cardnet.errors import Unavailable

State = Literal["running", "paused", "stopped", "ended"]

START_S = 90.0
"""How long a service may take to start, on a machine that is busy with other things. One that ends is known at once."""


class ServiceProcess:
    """One service in a process of its own. It does not outlive us: it reads the end of a pipe that we hold."""

    def __init__(self, name: str, settings: Mapping[str, str], log: Path) -> None:
        """log: where what it says on standard error goes."""
        self.name = name
        self.listen = settings.get(f"CARDNET_{name.upper()}_LISTEN", "")
        """Where it listens."""
        self.log = log
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._paused = self._told_to_stop = False
        self._starts, self._next = 0, asyncio.Event()

    @property
    def state(self) -> State:
        """How it is: running, paused; stopped, because it was told to; ended, by itself or by a signal."""
        if self._process is None or self._process.returncode is not None:
            return "stopped" if self._told_to_stop else "ended"
        return "paused" if self._paused else "running"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running.pid

    async def start(self) -> None:
        """Start it and wait until it serves. Unavailable, with its own last words, if it does not."""
        # Only what the network was given counts, as in one process: a test goes the same way in everybody's shell.
        environ = {key: value for key, value in os.environ.items() if not key.startswith("CARDNET_")}
        # Our own packages first: a `services` folder of the user's must not hide ours.
        environ["PYTHONPATH"] = str(Path(cardnet.__file__).parent.parent)
        environ |= {**self._settings, "CARDNET_EXIT_WITH_STDIN": "1"}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", f"services.{self.name}"),
                env=environ,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        self._paused = self._told_to_stop = False
        self._starts += 1
        self._next.set()
        self._next = asyncio.Event()
        await self._wait_until_ready()

    async def stop(self) -> None:
        """Ask it to finish and wait until it has."""
        if self._process and self._process.returncode is None:
            self._told_to_stop = True
            self._signal(signal.SIGTERM)
            self.resume()  # or else one that is paused would not hear of it
            await self._process.wait()

    async def kill(self) -> None:
        """End it at once, as a crash does."""
        self._signal(signal.SIGKILL)
        await self._running.wait()

    async def started_again(self, starts: int) -> int:
        """Wait until it was started more often than so many times; tells how often by now."""
        while self._starts <= starts:
            await self._next.wait()
        return self._starts

    async def ended(self) -> str:
        """Wait until it has ended; tells how, and its last words."""
        code = await self._running.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"{how}; {self._last_words()}"

    def pause(self) -> None:
        """Stop it from running, as a machine does that hangs."""
        self._signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        """Let it run again."""
        self._signal(signal.SIGCONT)
        self._paused = False

    def _signal(self, number: signal.Signals) -> None:
        # Not by the process object: before it sends, it looks whether the process has ended, and whoever finds that out
        # first takes the exit code away from asyncio, which then warns of an unknown child.
        with suppress(ProcessLookupError):
            os.kill(self._running.pid, number)

    @property
    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, f"the {self.name} was not started"
        return self._process

    async def _wait_until_ready(self) -> None:
        assert self._running.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                line = await self._running.stdout.readline()
        except TimeoutError:
            line = b""
        if not line.startswith(b"ready"):
            await self.stop()
            raise Unavailable("SERVICE_NOT_STARTED", f"the {self.name} did not start: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
