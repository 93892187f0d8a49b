"""A network whose data are kept: what a run left is there in the next, and does not get in its way."""

from collections import Counter
from functools import partial
from pathlib import Path

from patience import patient
from pytest import LogCaptureFixture
from waiting import until

from cardnet.money import Money
from cardnet.steps import STEPS
from cardnet.testing import LocalNetwork
from cardnet.traces.entry import Entry


async def told(network: LocalNetwork, lines: int) -> list[Entry]:
    """The lines of the list, once there are so many and each tells of its whole trace.

    That is a moment after the trace is complete, where a machine that stood still has let it come in parts.
    """
    entries = network.collector.archive.entries()
    return entries if [entry.complete for entry in entries] == [True] * lines else []


async def test_cards_and_money_outlive_the_network(tmp_path: Path) -> None:
    async with LocalNetwork(in_process=True, data_dir=tmp_path, settings=patient()) as network:
        card = await network.open_account("20.00 USD")
        on_file = await network.save_card(card)
        assert (await network.checkout(on_file, "12.40 USD")).approved

    async with LocalNetwork(in_process=True, data_dir=tmp_path, settings=patient()) as network:
        assert await network.balance(card) == Money.parse("7.60 USD")
        assert (await network.checkout(on_file, "7.60 USD")).approved


async def test_traces_outlive_the_network_and_new_ones_stand_above_them(tmp_path: Path) -> None:
    async with LocalNetwork(in_process=True, data_dir=tmp_path, settings=patient()) as network:
        before = await network.checkout(await network.save_card("approved"), "12.40 USD")
        entries = await until(partial(told, network, 1), "the list tells of the payment")

    async with LocalNetwork(in_process=True, data_dir=tmp_path, settings=patient()) as network:
        archive = network.collector.archive
        assert await network.trace(before.trace.trace_id) == before.trace
        assert archive.entries() == entries and archive.seen == 1
        after = await network.checkout(await network.save_card("insufficient-funds"), "12.40 USD")
        assert archive.latest(10) == [after.trace.trace_id, before.trace.trace_id]
        await until(partial(told, network, 2), "the list tells of both payments")
        assert archive.outcomes == Counter({"approved": 1, "refused": 1})


async def test_payments_go_on_where_traces_cannot_be_kept(tmp_path: Path, caplog: LogCaptureFixture) -> None:
    tmp_path.joinpath("traces.db").mkdir()
    async with LocalNetwork(in_process=True, data_dir=tmp_path, settings=patient()) as network:
        payment = await network.checkout(await network.save_card("approved"), "12.40 USD")
        assert payment.approved and payment.steps == STEPS
        assert network.collector.archive.not_kept >= len(STEPS)
    assert caplog.text.count("traces are not kept") == 1


async def test_traces_of_a_seed_are_not_kept_for_their_identifiers_come_again(tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        async with LocalNetwork(in_process=True, data_dir=tmp_path, seed="7", settings=patient()) as network:
            account = await network.open_account("20.00 USD")
            found.append(await network.checkout(await network.save_card(account), "12.40 USD"))
    assert [payment.steps for payment in found] == [STEPS, STEPS]
    assert not tmp_path.joinpath("traces.db").exists()


async def test_an_account_is_new_also_where_the_same_seed_opened_one_before(tmp_path: Path) -> None:
    opened = []
    for _ in range(2):
        async with LocalNetwork(in_process=True, data_dir=tmp_path, seed="7", settings=patient()) as network:
            card = await network.open_account("20.00 USD")
            assert await network.balance(card) == card.balance
            on_file = await network.save_card(card)
            assert (await network.checkout(on_file, "12.40 USD")).approved
            opened.append(card.pan)
    assert len(set(opened)) == 2
