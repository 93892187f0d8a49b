"""`cardnet up` and the other commands as a user starts them: as processes of their own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "cardnet.cli")
PATIENTLY = (sys.executable, str(Path(__file__).with_name("patiently.py")))

LOOKS = 30

_LEASH = """
exec 3<&0
( read -r _ <&3 || kill -s KILL -- -$$ ) >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null
"""
"""A shell that becomes the command, and leaves behind a watcher that ends it, and all that it started, when we end
without a line to it: in a session of its own it would outlive a run that is killed, and serve for ever."""


class Up:
    """A `cardnet up` of our own, on free ports. By `with` it ends with the block, even where a step in it fails."""

    def __init__(self, *options: str, **environ: str) -> None:
        command = (*PATIENTLY, "up", "--port-base", "0", "--otlp-port", "0", "--json", *options)
        self.process = subprocess.Popen(
            ("/bin/sh", "-c", _LEASH, "up", *command),
            cwd=ROOT,
            env=os.environ | environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        assert self.process.stdout and self.process.stderr
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        self.facts: dict[str, Any] = json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        with self.process:  # that closes its pipes and waits
            pass

    def pay(self, *options: str) -> subprocess.CompletedProcess[str]:
        services = self.facts["services"]
        return cardnet("pay", "--merchant", services["merchant"], "--tsp", services["tsp"], *options)

    def trace(self, *options: str) -> subprocess.CompletedProcess[str]:
        return cardnet("trace", "--collector", self.facts["collector"], *options)

    def complete(self, trace_id: str) -> dict[str, Any]:
        """A trace, once all of it was recorded: a machine may stand still for longer than the command waits."""
        for _ in range(LOOKS):
            shown = self.trace(trace_id, "--json")
            if shown.returncode == 0 and not (trace := json.loads(shown.stdout))["missing"]:
                return dict(trace)
        raise AssertionError(f"{shown.stdout}{shown.stderr}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Its exit code, and what it said on standard error. The signal goes to the whole group, as Ctrl-C does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
        _, said = self.process.communicate("it ended as it should\n", timeout=120)
        return self.process.returncode, said


def cardnet(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((*COMMAND, *arguments), cwd=ROOT, capture_output=True, text=True)
