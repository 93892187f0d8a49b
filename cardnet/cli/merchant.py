"""`cardnet merchant`: what a shop does that turns from stored cards to tokens."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cardnet.cli.operator import Visit, ask, at_network, roster_of
from cardnet.cli.private_file import check_new
from cardnet.cli.words import InOrder, as_json, complain, print_json
from cardnet.errors import InvalidField
from cardnet.identity import CARDHOLDER

if TYPE_CHECKING:
    from cardnet.cli.card_file import CardFile
    from cardnet.cli.import_log import ImportLog
    from cardnet.cli.import_report import Tally

INTERRUPTED = 130


@click.group(cls=InOrder, short_help="The shop: bring its stored cards in, as tokens.")
def merchant() -> None:
    """What a shop does that turns from stored cards to tokens."""


@merchant.command("import-cards", short_help="Replace a file of stored cards by tokens.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="FILE.report.csv unless given.")
@click.option("--keep", is_flag=True, help="Leave FILE where it is, with its card numbers.")
@at_network
@as_json
def import_cards(file: Path, report: Path | None, keep: bool, port: int, json_: bool) -> int:
    """Put the cards in FILE on file at the shop, as tokens. FILE is CSV with the header customer_id,pan,pan_expiry.

    Each card is encrypted here, to the token service provider's key. The report says for each line what became of it.
    When every line has its outcome, FILE is overwritten and removed, so that no card number is left. Ctrl-C breaks the
    import off; the same command goes on from there.

    Exit codes: 0 all are tokens, 1 some cards were not taken, 2 not all could be asked about.
    """
    roster_of(port)

    from cardnet.cli.card_file import CardFile
    from cardnet.cli.import_log import ImportLog

    cards = CardFile(file)
    if not keep:
        cards.check_removable()
    told = report.resolve() if report else cards.path.with_name(f"{cards.path.name}.report.csv")
    if told == cards.path:
        raise InvalidField("report", "must be another file than that of the cards")
    with ImportLog(cards.path.with_name(f"{cards.path.name}.progress")) as log:
        if log.is_new:
            _check_beginning(cards, told, log)
        if not keep:
            click.echo(
                f"{file} is overwritten and removed when every line has its outcome (--keep leaves it)", err=True
            )
        try:
            tally = _import(cards, log, told, port, keep)
        except KeyboardInterrupt:
            click.echo(f"stopped after {len(log.outcomes):,} lines; the same command goes on from there", err=True)
            return INTERRUPTED
    return _tell(file, told, tally, keep, json_)


def _check_beginning(cards: "CardFile", report: Path, log: "ImportLog") -> None:
    try:
        cards.check_header()
        check_new("report", report)
    except InvalidField:
        log.remove()
        raise


def _import(cards: "CardFile", log: "ImportLog", report: Path, port: int, keep: bool) -> "Tally":
    from cardnet.cli.import_report import tally, write_report

    waiting: dict[int, str] = {}
    if not log.finished:
        waiting = ask(port, lambda visit: _run(visit, cards, log))
        write_report(report, cards, log.outcomes, waiting)
    if not waiting:
        # From here on the cards' file may be half overwritten, so that it is known not to be needed.
        log.finish()
        if not keep:
            cards.remove()
        log.remove()
    return tally(log.outcomes, waiting)


async def _run(visit: Visit, cards: "CardFile", log: "ImportLog") -> dict[int, str]:
    from cardnet.cli.card_import import CardImport
    from cardnet.cli.progress import Progress
    from cardnet.v1.merchant_pb2_grpc import MerchantStub
    from cardnet.v1.token_service_pb2_grpc import TokenServiceStub

    run = CardImport(
        cards,
        await visit.stub(MerchantStub, "merchant", as_=CARDHOLDER),
        await visit.stub(TokenServiceStub, as_=CARDHOLDER),
    )
    log.belongs_to(cards.mark, await run.prepare())
    total = sum(1 for _ in cards.lines())
    with Progress("importing", "cards") as progress:
        await run.run(log, lambda done: progress.at(done, total))
    return run.waiting


def _tell(file: Path, report: Path, tally: "Tally", keep: bool, json_: bool) -> int:
    if json_:
        print_json(tally._asdict() | {"report": str(report), "file_removed": not (tally.waiting or keep)})
    else:
        waiting = f" · waiting {tally.waiting:,}" if tally.waiting else ""
        click.echo(f"saved {tally.saved:,} · refused {tally.refused:,} · malformed {tally.malformed:,}{waiting}")
        click.echo(f"what became of each line: {report}")
    if tally.waiting:
        complain(f"{file} stays: not all of its cards could be asked about; the same command goes on with them")
        return 2
    if not json_:
        click.echo(f"{file} holds card numbers still" if keep else f"{file} was overwritten and removed")
    return 0 if tally.all_saved else 1
