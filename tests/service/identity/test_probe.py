"""The probe of container engines tells who serves, who does not and who says nothing."""

import asyncio

import pytest
from patience import AMPLE_S, patient

from cardnet.doors import open_health_door
from cardnet.health import main as probe
from cardnet.testing import LocalNetwork
from cardnet.testing.ports import Ports


@pytest.fixture
def free_port():
    ports = Ports()  # kept, so that nobody else takes it meanwhile
    yield int(ports.take().rpartition(":")[2])
    ports.release()


async def test_the_probe_tells_who_serves_who_does_not_and_who_says_nothing(free_port, capsys, monkeypatch):
    monkeypatch.setattr("cardnet.health.TIMEOUT_S", AMPLE_S)
    serving = True

    async def serves() -> bool:
        return serving

    server = await open_health_door(f"127.0.0.1:{free_port}", ("cardnet.v1.Merchant",), serves)
    asked = [f"127.0.0.1:{free_port}"]
    assert (await asyncio.to_thread(probe, asked), capsys.readouterr().out) == (0, "SERVING\n")
    serving = False
    assert (await asyncio.to_thread(probe, asked), capsys.readouterr().out) == (1, "NOT_SERVING\n")
    await server.stop(0)
    assert await asyncio.to_thread(probe, asked) == 2
    assert capsys.readouterr().err.count("\n") == 1
    for wrong in ([], ["a", "b"]):
        assert probe(wrong) == 2


async def test_at_a_door_with_certificates_the_probe_learns_nothing():
    async with LocalNetwork(in_process=True, fronts=True, settings=patient()) as network:
        assert await asyncio.to_thread(probe, [network.addresses["tsp"]]) == 2
