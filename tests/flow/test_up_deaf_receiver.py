"""`cardnet up` says on the screen that a receiver of traces takes none."""

import select
from subprocess import Popen

from patience import AMPLE_S
from up import Up

NOBODY = "127.0.0.1:1"
"""An address at which nothing listens."""


def first_line(process: Popen[str]) -> str:
    """The first that it says on standard error."""
    assert process.stderr
    assert select.select([process.stderr], [], [], AMPLE_S)[0], "it said nothing"
    return process.stderr.readline()


def test_it_is_named_once_when_services_have_processes() -> None:
    with Up("--no-web", "--no-console", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{NOBODY}") as up:
        assert first_line(up.process) == (
            f"cardnet: warning: the receiver at {NOBODY} takes no spans (UNAVAILABLE): "
            "until it does, those are lost to it, and payments go on\n"
        )
        assert up.pay("--card", "approved", "--amount", "1.00").returncode == 0
        assert up.stop() == (0, "")


def test_it_is_named_once_when_they_have_one() -> None:
    with Up("--single-process", "--no-web", "--no-console", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{NOBODY}") as up:
        for _ in range(2):
            assert up.pay("--card", "approved", "--amount", "1.00").returncode == 0
        code, said = up.stop()
        assert code == 0
        assert said.count(f"the receiver at {NOBODY} does not take all spans") == 1, said
