"""Every negative path by its name, played at a network that runs."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from patience import patient

from cardnet.env import Env
from cardnet.stage import Stage
from cardnet.testing import LocalNetwork
from cardnet.triggers import TRIGGERS, Trigger

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage_network() -> AsyncIterator[LocalNetwork]:
    async with LocalNetwork(in_process=True, clock="simulated", settings=patient()) as network:
        yield network


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: trigger.name)
async def test_a_trigger_comes_out_as_it_says(stage_network: LocalNetwork, trigger: Trigger) -> None:
    stage = Stage(stage_network.channel, Env.of("test"), stage_network.advance)

    scene = await trigger.play(stage)

    assert scene.response_code == trigger.outcome
    assert bool(scene.trace_id) == trigger.pays
    if trigger.pays:
        reaches_issuer = trigger.outcome.approved or trigger.name == "pan-expired"
        trace = await stage_network.trace(scene.trace_id)
        assert trace.numbers() == ([1, 2, 3, 4, 5, 6, 7, 8, 9] if reaches_issuer else [1, 2, 3, 4, 7, 8, 9])
