"""`cardnet up` leaves recording out where the environment says so."""

import asyncio
import json
from pathlib import Path

import pytest
from up import Up

from cardnet.steps import SERVICES
from cardnet.testing.collecting import KEPT_IN
from cardnet.traces.archive import Archive


@pytest.mark.parametrize("mode", [(), ("--single-process",)], ids=["processes", "one process"])
def test_a_service_that_is_told_not_to_record_does_not(tmp_path: Path, mode: tuple[str, ...]) -> None:
    options = ("--no-web", "--no-console", "--data-dir", str(tmp_path))
    # A service's own variable goes before that of all.
    with Up(*mode, *options, CARDNET_TRACING="off", CARDNET_MERCHANT_TRACING="on", CARDNET_ISSUER_TRACING="on") as up:
        paid = up.pay("--card", "approved", "--amount", "1.00", "--json")
        assert up.stop() == (0, "")  # by then all spans are kept
    assert asyncio.run(recorded_by(tmp_path, json.loads(paid.stdout)["trace_id"])) == {"merchant", "issuer"}


async def recorded_by(data_dir: Path, trace_id: str) -> set[str]:
    """Which services left spans in a trace that was kept."""
    archive = Archive()
    await archive.keep_in(data_dir / KEPT_IN)
    resources = [spans.resource for spans in archive.spans(trace_id).resource_spans]
    await archive.close()
    return {one.value.string_value for resource in resources for one in resource.attributes} & set(SERVICES)
