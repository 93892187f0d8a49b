"""A child process with a collector and its console, as `cardnet up` has them: `python -m bench.console.house`.

It says "ready ORIGIN COLLECTOR" on a line, and ends when its standard input does.
"""

import asyncio
import sys

import uvloop

from cardnet.console.served import ServedConsole
from cardnet.console.site import Console
from cardnet.env import Env
from cardnet.testing.ports import Ports
from cardnet.traces.collector import Collector, listen


async def _run() -> None:
    collector, ports = Collector(), Ports()
    server, port = await listen(collector, Env.of("bench"), ["127.0.0.1:0"], "collector")
    console = ServedConsole(Console(collector.archive), ports.take())
    await console.open()
    settling = asyncio.create_task(collector.archive.run())
    print(f"ready {console.origin} 127.0.0.1:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    settling.cancel()
    await console.close()
    await server.stop(0)
    ports.release()


if __name__ == "__main__":
    uvloop.run(_run())
