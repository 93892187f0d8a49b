"""A shop's stored cards become tokens (A02): whole, resumed after a break, and no card number is left behind."""

import asyncio
import csv
import json
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from patience import patient
from up import COMMAND, ROOT
from waiting import until

from cardnet.cli.import_log import ImportLog, Outcome
from cardnet.errors import Unavailable
from cardnet.test_cards import TestCard
from cardnet.test_cards import test_card as card_named
from cardnet.testing import LocalNetwork
from cardnet.wire import Link

pytestmark = pytest.mark.asyncio(loop_scope="module")

CARDS = 40
BEFORE = 12
"""So many cards go through before the gate shuts."""

PLENTY = 1_000_000


PATIENT = patient({"merchant": {"tsp_timeout_s": "28"}})
"""A shut gate is waited at for as long as a busy machine may need to see to the rest."""


class Gate:
    """Before the token service provider: shut, it keeps those who ask for tokens waiting, or turns them away."""

    def __init__(self) -> None:
        self.passes = PLENTY
        self.turns_away = False
        self.opened = asyncio.Event()

    def __call__(self, service: str, link: Link) -> Link:
        return _Gated(link, self) if service == "tsp" else link

    def shut(self, *, after: int, turns_away: bool = False) -> None:
        """Let so many through and then nobody."""
        self.passes, self.turns_away = after, turns_away
        self.opened.clear()

    def open(self) -> None:
        """Let everybody through."""
        self.passes = PLENTY
        self.opened.set()

    @property
    def passed(self) -> int:
        """How many have gone through since it was opened."""
        return PLENTY - self.passes

    async def passage(self) -> None:
        """Wait until one may go through."""
        self.passes -= 1
        if self.passes < 0 and self.turns_away:
            raise Unavailable("NEIGHBOUR_UNAVAILABLE", "the gate is shut")
        if self.passes < 0:
            await self.opened.wait()


class _Gated:
    def __init__(self, link: Link, gate: Gate) -> None:
        self._link, self._gate = link, gate

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:
        if method.endswith("/RequestToken"):
            await self._gate.passage()
        return await self._link.call(method, data, metadata, timeout_s)

    async def stream(
        self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float | None
    ) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._link.stream(method, data, metadata, timeout_s)) as answers:
            async for answer in answers:
                yield answer

    async def close(self) -> None:
        await self._link.close()


class Shop(NamedTuple):
    """A network behind a gate."""

    network: LocalNetwork
    gate: Gate
    cards: list[TestCard]

    async def import_(self, file: Path, *options: str) -> asyncio.subprocess.Process:
        """Begin an import of a file."""
        port = self.network.addresses["merchant"].rpartition(":")[2]
        return await asyncio.create_subprocess_exec(
            *(*COMMAND, "merchant", "import-cards", str(file), "--network", port, *options),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


class Ended(NamedTuple):
    """How a command ended."""

    code: int | None
    out: str
    err: str


async def ended(process: asyncio.subprocess.Process) -> Ended:
    out, err = await process.communicate()
    return Ended(process.returncode, out.decode(), err.decode())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    gate = Gate()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("session")))
        network = LocalNetwork(in_process=True, fronts=True, tap=gate, roster=True, settings=PATIENT)
        async with network:
            yield Shop(network, gate, [await network.open_account() for _ in range(CARDS)])


@pytest.fixture
def shop(opened: Shop) -> Shop:
    opened.gate.open()
    return opened


def stored(folder: Path, *lines: str) -> Path:
    file = folder / "cards.csv"
    file.write_text("\n".join(("customer_id,pan,pan_expiry", *lines, "")))
    return file


def line(number: int, card: TestCard) -> str:
    return f"customer-{number},{card.pan},{card.expiry}"


def mistyped(pan: str) -> str:
    return f"{pan[:-1]}{(int(pan[-1]) + 1) % 10}"


def report_of(file: Path) -> dict[int, dict[str, str]]:
    with file.with_name("cards.csv.report.csv").open(newline="") as report:
        return {int(row["line"]): row for row in csv.DictReader(report)}


def logged(file: Path) -> int:
    progress = file.with_name("cards.csv.progress")
    return progress.read_text().count('"saved"') if progress.exists() else 0


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def no_number_is_left(shop: Shop, folder: Path, *said: str) -> None:
    """No card's number, nor one that is nearly a card's, stands in a file of the folder or in what was said."""
    for text in (*(path.read_bytes() for path in folder.glob("*")), "".join(said).encode()):
        # All but the check digit, so that a number with a wrong one is found too.
        assert not [card.last_four for card in (*shop.cards, card_named("lost")) if card.pan[:-1].encode() in text]


async def test_a_file_of_stored_cards_becomes_tokens_and_is_gone(shop: Shop, tmp_path: Path) -> None:
    good, lost, unknown = shop.cards[0], card_named("lost"), shop.cards[1]
    file = stored(
        tmp_path,
        line(1, good),
        line(2, lost),
        f"customer-3,{mistyped(good.pan)},3011",
        f"customer-4,{unknown.pan},2912",  # not the expiry that the issuer knows
        line(5, good),
    )
    saved = await ended(await shop.import_(file, "--json"))
    assert saved.code == 1, saved.err
    assert json.loads(saved.out) == {
        **{"saved": 3, "refused": 1, "malformed": 1, "waiting": 0},
        **{"report": str(tmp_path / "cards.csv.report.csv"), "file_removed": True},
    }
    assert saved.err.startswith(f"{file} is overwritten and removed when every line has its outcome")
    assert files_in(tmp_path) == {"cards.csv.report.csv"}
    no_number_is_left(shop, tmp_path, *saved[1:])

    report = report_of(file)
    assert [row["outcome"] for row in report.values()] == ["saved", "saved", "malformed", "refused", "saved"]
    assert (report[2]["pan_last_four"], report[4]["pan_last_four"]) == (good.last_four, "")
    assert report[4]["reason"] == "pan: must end in a valid check digit"
    assert report[5]["reason"] == "54 expired card"

    # The tokens pay, for the card that they stand for.
    on_file = await shop.network.save_card(good, customer="customer-1")
    assert on_file.id == report[2]["card_on_file_id"]
    payment = await shop.network.checkout(on_file, "1.00 USD")
    assert payment.approved


async def test_what_ctrl_c_breaks_off_goes_on_where_it_was(shop: Shop, tmp_path: Path) -> None:
    file = stored(tmp_path, *(line(number, card) for number, card in enumerate(shop.cards)))
    shop.gate.shut(after=BEFORE)
    importing = await shop.import_(file)
    await until(lambda: _true(logged(file) == BEFORE), "the gate has let through whom it was to")
    importing.send_signal(signal.SIGINT)
    stopped = await ended(importing)
    assert stopped.code == 130
    assert stopped.err.endswith(f"stopped after {BEFORE} lines; the same command goes on from there\n")
    assert files_in(tmp_path) == {"cards.csv", "cards.csv.progress"}
    no_number_is_left(shop, tmp_path / "nothing", file.with_name("cards.csv.progress").read_text())

    shop.gate.open()
    done = await ended(await shop.import_(file))
    assert (done.code, done.out.splitlines()[0]) == (0, f"saved {CARDS} · refused 0 · malformed 0"), done.err
    assert shop.gate.passed == CARDS - BEFORE  # those that were done are not asked about again
    assert len({row["card_on_file_id"] for row in report_of(file).values()}) == CARDS
    assert not file.exists()
    no_number_is_left(shop, tmp_path, *stopped[1:], *done[1:])


async def test_an_import_that_was_killed_goes_on_where_it_was(shop: Shop, tmp_path: Path) -> None:
    file = stored(tmp_path, *(line(number, card) for number, card in enumerate(shop.cards)))
    shop.gate.shut(after=BEFORE)
    importing = await shop.import_(file)
    await until(lambda: _true(logged(file) == BEFORE), "the gate has let through whom it was to")

    second = await ended(await shop.import_(file))
    assert second.code == 2
    assert "these cards are being imported at this moment" in second.err
    importing.kill()
    await ended(importing)

    shop.gate.open()
    done = await ended(await shop.import_(file))
    assert done.code == 0, done.err
    assert len(report_of(file)) == CARDS
    no_number_is_left(shop, tmp_path)


async def test_what_was_broken_off_while_the_file_was_being_removed_is_finished(shop: Shop, tmp_path: Path) -> None:
    file = stored(tmp_path, line(1, shop.cards[0]))
    with ImportLog(file.with_name("cards.csv.progress")) as log:
        log.belongs_to("cards", "network")
        log.put(2, Outcome("saved", "card-1"))
        log.finish()
    file.write_bytes(bytes(20) + file.read_bytes()[20:])

    done = await ended(await shop.import_(file))
    assert (done.code, done.out.splitlines()[0]) == (0, "saved 1 · refused 0 · malformed 0"), done.err
    assert not files_in(tmp_path)


async def test_cards_that_nobody_could_be_asked_about_wait_in_their_file(shop: Shop, tmp_path: Path) -> None:
    file = stored(tmp_path, *(line(number, card) for number, card in enumerate(shop.cards)))
    before = file.read_bytes()
    shop.gate.shut(after=BEFORE, turns_away=True)
    first = await ended(await shop.import_(file))
    assert first.code == 2
    assert first.out.splitlines()[0] == f"saved {BEFORE} · refused 0 · malformed 0 · waiting {CARDS - BEFORE}"
    assert "the same command goes on with them" in first.err
    assert file.read_bytes() == before
    outcomes = [row["outcome"] for row in report_of(file).values()]
    assert (outcomes.count("saved"), outcomes.count("waiting")) == (BEFORE, CARDS - BEFORE)

    shop.gate.open()
    done = await ended(await shop.import_(file))
    assert done.code == 0, done.err
    assert {row["outcome"] for row in report_of(file).values()} == {"saved"}
    no_number_is_left(shop, tmp_path, *first[1:], *done[1:])


async def test_a_file_that_is_to_be_kept_is_left_as_it_was(shop: Shop, tmp_path: Path) -> None:
    file = stored(tmp_path, line(1, shop.cards[0]))
    before = file.read_bytes()
    kept = await ended(await shop.import_(file, "--keep", "--report", str(tmp_path / "told.csv")))
    assert kept.code == 0, kept.err
    assert f"{file} holds card numbers still" in kept.out
    assert file.read_bytes() == before
    assert files_in(tmp_path) == {"cards.csv", "told.csv"}


async def test_a_report_takes_no_other_files_place(shop: Shop, tmp_path: Path) -> None:
    file = stored(tmp_path, line(1, shop.cards[0]))
    for report in (file, Path(__file__)):
        refused = await ended(await shop.import_(file, "--report", str(report)))
        assert refused.code == 2
        assert refused.err.startswith("cardnet: error: report: must ")
    assert files_in(tmp_path) == {"cards.csv"}


async def _true(value: bool) -> bool:
    return value
