"""What `cardnet up` shows of a network: a line for everything that one may want to open or to ask."""

import pytest
from patience import patient

from cardnet.cli.network_table import show_network
from cardnet.cli.terminal import Terminal
from cardnet.testing import LocalNetwork


@pytest.mark.parametrize("faults", [True, False])
async def test_the_console_has_a_row_which_says_where_faults_are_switched(
    faults: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async with LocalNetwork(in_process=True, fronts=True, console=True, faults=faults, settings=patient()) as network:
        await show_network(network, Terminal())
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  console ")]
    assert network.console_origin in row
    assert (row.endswith("fault switches: /topology")) is faults


async def test_without_a_console_there_is_no_such_row(capsys: pytest.CaptureFixture[str]) -> None:
    async with LocalNetwork(in_process=True, fronts=True, settings=patient()) as network:
        await show_network(network, Terminal())
    shown = capsys.readouterr().out
    assert "  collector " in shown
    assert "console" not in shown
