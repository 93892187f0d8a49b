"""A child process that takes spans and keeps none: `python -m bench.nowhere`.

It says "ready ADDRESS" on a line, and ends when its standard input does. What keeps them would be busy beside whoever
sends them, and on cores that share their arithmetic the sender would seem to need more time.
"""

import asyncio
import sys

import uvloop

from cardnet.env import Env
from cardnet.traces.collector import Collector, listen


class Nowhere(Collector):
    """Takes spans and keeps none."""

    async def export(self, data: bytes, *, ours: bool = True) -> None:
        pass


async def _run() -> None:
    server, port = await listen(Nowhere(), Env.of("bench"), ["127.0.0.1:0"], "collector")
    print(f"ready 127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(_run())
