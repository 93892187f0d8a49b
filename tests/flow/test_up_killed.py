"""A run of tests that is killed: nothing that it started serves on."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from waiting import until

RUN = "from up import Up; import json; print(json.dumps(Up().facts), flush=True); input()"


def killed_run() -> tuple[str, int]:
    """Where the merchant is of the network that a run started; the run is gone."""
    run = subprocess.Popen(
        (sys.executable, "-c", RUN),
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        assert run.stdout
        facts = json.loads(run.stdout.readline())
        run.kill()
    host, _, port = facts["services"]["merchant"].rpartition(":")
    return host, int(port)


async def test_a_networks_services_end_with_the_run_that_started_it() -> None:
    merchant = killed_run()

    async def gone() -> bool:
        with socket.socket() as caller:
            return caller.connect_ex(merchant) != 0

    await until(gone, "nobody listens any more")
