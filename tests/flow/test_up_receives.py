"""`cardnet up` takes spans over HTTP at an address that it tells, and has its traces again after a restart."""

import asyncio
import json
from pathlib import Path

import httpx
from patience import AMPLE_S
from payment_spans import number, paid
from up import Up

from cardnet.traces.otlp_json import otlp_json


def test_spans_that_came_over_http_are_there_after_a_restart(tmp_path: Path) -> None:
    options = ("--single-process", "--no-web", "--no-console", "--data-dir", str(tmp_path))
    with Up(*options) as up:
        answer = httpx.post(
            f"http://{up.facts['otlp_http']}/v1/traces",
            content=otlp_json(asyncio.run(paid(1))),
            headers={"content-type": "application/json"},
            timeout=AMPLE_S,
        )
        assert answer.status_code == 200
        shown = up.trace(number(1), "--json").stdout
        assert [step["number"] for step in json.loads(shown)["steps"]] == [1, 9]
        assert up.stop() == (0, "")
    with Up(*options) as up:
        assert up.trace(number(1), "--json").stdout == shown
        assert up.stop() == (0, "")
