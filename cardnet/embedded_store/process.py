"""A server that lives no longer than we do."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

_TIME_TO_END_S: Final = 10.0

_LEASH: Final = """
exec 3<&0
( read -r _ <&3 || { kill -9 $$; rm -rf -- "$0"; } ) >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null
"""
"""A shell that becomes the server, and leaves behind a watcher on a pipe from us. A line on it lets the watcher go; its
end means that we are gone, so the watcher kills the server and removes the folder $0.

This holds for any end of ours, `kill -9` too, on Linux and macOS. PR_SET_PDEATHSIG is Linux's alone, ends the server
with the *thread* that started it (prctl(2)), and is set between fork and exec, where Python among threads can deadlock.
"""


class ServerProcess:
    """A running server. When we die without `end`, it dies, and `runtime` is removed with all that is in it."""

    def __init__(self, command: Sequence[str | Path], runtime: Path, cwd: Path, log: BinaryIO) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _LEASH, runtime, *command],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            umask=0o077,
            start_new_session=True,  # Ctrl-C is for us: the server ends after those who still write to it
        )
        self.pid = self._process.pid
        self.paused = False
        """Whether it was told to stand still."""

    def ended(self, within_s: float) -> bool:
        """Wait so long for the server to end by itself, and say whether it did."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server and wait until it is gone. May be called twice."""
        self._process.send_signal(how)
        self.resume()  # or else one that is paused would not hear of it
        if not self.ended(_TIME_TO_END_S):
            self._process.kill()
            self._process.wait()
        with suppress(OSError, ValueError):  # the watcher may be gone, and at the second time so is the pipe
            self._process.communicate(b"it ended as it should\n")

    def pause(self) -> None:
        """SIGSTOP: the server keeps its connections and answers nothing. Returns when it stands still."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)
        self.paused = True

    def resume(self) -> None:
        """SIGCONT, after `pause`."""
        self._process.send_signal(signal.SIGCONT)
        self.paused = False
