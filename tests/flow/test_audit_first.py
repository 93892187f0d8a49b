"""No card number is told that is not in the audit log before: with no log, no payment."""

from pathlib import Path

from patience import patient

from cardnet.money import Money
from cardnet.response_code import ResponseCode as Code
from cardnet.testing import LocalNetwork


async def test_where_the_log_cannot_be_written_nothing_is_paid_and_nothing_is_held(tmp_path: Path) -> None:
    log, elsewhere = tmp_path / "audit", tmp_path / "elsewhere"
    settings = patient({"tsp": {"audit_file": str(log)}})
    async with LocalNetwork(in_process=True, settings=settings) as network:
        card = await network.open_account("100.00 USD")
        on_file = await network.save_card(card)
        assert (await network.checkout(on_file, "10.00 USD")).approved
        assert log.read_text().count('"op":"detokenise"') == 1

        log.rename(elsewhere)
        unwritten = await network.checkout(on_file, "10.00 USD")
        elsewhere.rename(log)
        again = await network.checkout(on_file, "10.00 USD")

        assert unwritten.response_code is Code.SYSTEM_MALFUNCTION
        assert unwritten.trace.numbers() == [1, 2, 3, 4, 7, 8, 9]  # the issuer was never told of a card
        assert again.approved
        assert await network.balance(card) == Money.parse("80.00 USD")
        assert log.read_text().count('"op":"detokenise"') == 2
