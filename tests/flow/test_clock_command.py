"""`cardnet clock`: five processes whose time goes on at once, for what expires and for nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
import pytest_asyncio
from patience import patient
from up import COMMAND, ROOT

from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")

FROZEN_AT = "2026-01-15T09:00:00Z"


class Ended(NamedTuple):
    """How a command ended."""

    code: int | None
    out: str
    err: str


async def clock(network: LocalNetwork, *options: str) -> Ended:
    port = network.addresses["merchant"].rpartition(":")[2]
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "clock", *options, "--network", port),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Ended(process.returncode, out.decode(), err.decode())


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def session(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("session")))
        yield


@pytest.mark.parametrize("in_process", [True, False], ids=["in_process", "processes"])
async def test_a_clock_that_stands_moves_by_command_and_tokens_expire_with_it(in_process: bool) -> None:
    settings = patient()
    async with LocalNetwork(in_process=in_process, frozen_at=FROZEN_AT, roster=True, settings=settings) as network:
        account = await network.open_account()
        card = await network.save_card(account)
        first = await network.checkout(card, "1.00 USD")
        assert first.approved

        moved = await clock(network, "advance", "1000d", "--json")
        assert json.loads(moved.out) == {"now": "2028-10-11T09:00:00Z", "clock": "frozen", "ahead_s": 1000 * 86_400}
        second = await network.checkout(card, "1.00 USD")
        assert second.approved
        # Each service stamps its steps by its clock: the whole payment took place at that time.
        times = {step.start_ns for step in second.trace.steps} | {step.end_ns for step in second.trace.steps}
        assert times == {int(datetime.fromisoformat("2028-10-11T09:00:00Z").timestamp()) * 10**9}
        assert len(second.trace.steps) == 9

        network.advance(timedelta(days=100))  # past the token's three years
        assert (await clock(network, "show")).out == "2029-01-19T09:00:00Z  frozen, moved on by 1100 d\n"
        assert (await network.checkout(card, "1.00 USD")).approved
        await clock(network, "advance", "15d")
        third = await network.checkout(card, "1.00 USD")
        assert third.response_code == "54"


async def test_a_simulated_clock_runs_and_is_moved() -> None:
    async with LocalNetwork(in_process=True, clock="simulated", roster=True, settings=patient()) as network:
        card = await network.save_card("approved")
        shown = json.loads((await clock(network, "show", "--json")).out)
        assert (shown["clock"], shown["ahead_s"]) == ("simulated", 0)
        moved = json.loads((await clock(network, "advance", "36h", "--json")).out)
        assert moved["ahead_s"] == 36 * 3600
        passed = datetime.fromisoformat(moved["now"]) - datetime.fromisoformat(shown["now"])
        assert passed >= timedelta(hours=36)
        for _ in range(4):
            network.advance(timedelta(days=365))
        assert (await network.checkout(card, "1.00 USD")).response_code == "54"


async def test_a_clock_on_the_wall_is_shown_and_not_moved() -> None:
    async with LocalNetwork(in_process=True, roster=True, settings=patient()) as network:
        assert (await clock(network, "show")).out.endswith("Z  real\n")
        refused = await clock(network, "advance", "1d")
        assert (refused.code, refused.out) == (2, "")
        assert "goes by the real time, which nobody moves; start one whose clock can be moved: " in refused.err
        assert refused.err.endswith(" up --clock simulated\n")
