"""A network whose data are kept: what a run left is there in the next, and does not get in its way."""

from pathlib import Path

from patience import patient

from cardnet.money import Money
from cardnet.testing import LocalNetwork


async def test_cards_and_money_outlive_the_network(tmp_path: Path) -> None:
    async with LocalNetwork(in_process=True, data_dir=tmp_path, settings=patient()) as network:
        card = await network.open_account("20.00 USD")
        on_file = await network.save_card(card)
        assert (await network.checkout(on_file, "12.40 USD")).approved

    async with LocalNetwork(in_process=True, data_dir=tmp_path, settings=patient()) as network:
        assert await network.balance(card) == Money.parse("7.60 USD")
        assert (await network.checkout(on_file, "7.60 USD")).approved


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
