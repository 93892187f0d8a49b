"""The commands that pages name: they ask the network whose pages they are."""

import pytest

from cardnet.console.commands import Commands

USUAL = ("127.0.0.1:50051", "127.0.0.1:50054", "127.0.0.1:4317")


def test_at_the_usual_ports_nothing_is_added() -> None:
    usual = Commands.at(*USUAL)
    assert usual.pay() == "cardnet pay --card approved --amount 12.40"
    assert (usual.trace(), usual.trace("ab12")) == ("cardnet trace", "cardnet trace ab12")
    assert usual.trigger("wrong-merchant") == "cardnet trigger wrong-merchant"
    assert usual.tokens("suspend", "ab12") == "cardnet tokens suspend ab12"


@pytest.mark.parametrize("moved", range(3))
def test_where_one_port_is_another_each_command_says_where_it_asks(moved: int) -> None:
    merchant, tsp, collector = (f"{place}7" if at == moved else place for at, place in enumerate(USUAL))
    other = Commands.at(merchant, tsp, collector, "bin/cardnet")
    assert other.pay("lost") == f"bin/cardnet pay --card lost --amount 12.40 --merchant {merchant} --tsp {tsp}"
    assert other.trace("ab12") == f"bin/cardnet trace ab12 --collector {collector}"
    assert other.trigger("x") == f"bin/cardnet trigger x --network {merchant.removeprefix('127.0.0.1:')}"
    assert other.tokens("list") == f"bin/cardnet tokens list --network {merchant.removeprefix('127.0.0.1:')}"


def test_where_no_operator_is_let_in_there_is_no_command_for_one() -> None:
    none = Commands.at(*USUAL, acting=False)
    assert (none.trigger("wrong-merchant"), none.tokens("list")) == ("", "")
