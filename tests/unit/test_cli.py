"""The command line, as far as no network is needed: what it prints, what it complains of, and its exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cardnet.cli import main
from cardnet.cli.words import command_name
from cardnet.roster import PostedRoster, Roster
from cardnet.steps import STEPS
from cardnet.test_cards import TEST_CARDS

ROOT = Path(__file__).parents[2]
NOBODY = "127.0.0.1:1"
"""An address at which nothing listens."""

PLACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def cardnet(*arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    command = (sys.executable, "-m", "cardnet.cli", *arguments)
    return subprocess.run(command, cwd=ROOT, env=os.environ | environ, capture_output=True)


def test_help_loads_neither_grpc_nor_rich() -> None:
    code = "import sys, cardnet.cli; assert not {'grpc', 'rich', 'redis', 'google.protobuf'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_without_a_command_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.partition("Commands:\n")[2].splitlines()] == [
        *("demo", "up", "pay", "trigger", "trace", "tail", "cards", "steps"),
        *("tokens", "requestors", "keys", "audit", "vault", "merchant", "clock"),
        *("certs", "collect", "store-users"),
    ]


def test_every_test_card_is_printed_with_its_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cards"]) == 0
    printed = capsys.readouterr().out
    for card in TEST_CARDS:
        assert f"{card.name} " in printed
        assert f"{card.pan}  {card.expiry}  {card.outcome} {card.outcome.meaning}" in printed


def test_the_cards_are_the_same_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cards", "--json"]) == 0
    cards = json.loads(capsys.readouterr().out)
    assert [(card["name"], card["pan"], card["response_code"]) for card in cards] == [
        (card.name, card.pan, card.outcome.value) for card in TEST_CARDS
    ]


def test_the_steps_are_printed_from_their_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["steps"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line[0] for line in printed if line[0].isdigit()] == [str(step.number) for step in STEPS]
    assert main(["steps", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [step._asdict() for step in STEPS]


@pytest.mark.parametrize("command", ["cards", "steps"])
def test_what_is_piped_has_no_colours_and_at_most_a_hundred_columns(command: str) -> None:
    printed = cardnet(command).stdout.decode()
    assert "\x1b" not in printed
    assert all(len(line) <= 100 and line == line.rstrip() for line in printed.splitlines())


def test_a_terminal_that_knows_ascii_alone_gets_plain_arrows() -> None:
    result = cardnet("steps", PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert b"cardholder -> merchant" in result.stdout


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    # Python as the reader: it closes the pipe at once.
    command = f"{sys.executable} -m cardnet.cli cards --json | {sys.executable} -c ''"
    result = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True)
    assert result.stderr == b""


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("pay --card approved --amount 12.4", "amount: must have 2 decimals in USD"),
        ("pay --card approved --amount 12.40 --currency JPY", "amount: must have 0 decimals in JPY"),
        ("pay --card approved --amount ١٢.٤٠", "amount: must have 2 decimals in USD"),
        ("pay --card approved --amount 1.00 --traceparent x", "traceparent: must be 00-(32 hexadecimal digits)-"),
        (f"pay --card approved --amount 1.00 --traceparent {PLACE}-future", "traceparent: must be 00-(32 hexadecimal"),
        (
            f"pay --card approved --amount 1.00 --traceparent 01{PLACE[2:]}-future --merchant {NOBODY}",
            f"the merchant is not at {NOBODY}",
        ),
        ("pay --card approved --amount 1.00 --merchant localhost", "merchant: must be host:port"),
        (f"pay --card approved --amount 1.00 --merchant {NOBODY}", f"the merchant is not at {NOBODY}"),
        ("pay --card nothing --amount 1.00", "card: must be one of approved, "),
        ("pay --amount 1.00", "Missing option '--card' (see: cardnet pay --help)"),
        ("pay --card approved --amount 1.00 --merchant 127.0.0.1:99999", "the merchant is not at 127.0.0.1:99999"),
        (f"trace --collector {NOBODY}", f"the collector is not at {NOBODY}"),
        ("trace xyz", "ID: must be 4 to 32 hexadecimal digits"),
        ("up --frozen-at yesterday", "frozen-at: must be a time with its zone"),
        ("demo --frozen-at 2026-01-15T09:00:00", "frozen-at: must be a time with its zone"),
        ("up --port-base 65532", "Invalid value for '--port-base'"),
        (f"up --data-dir {__file__}", "data-dir: must be a directory"),
        ("fly", "No such command 'fly' (see: cardnet --help)"),
    ],
)
def test_what_cannot_be_asked_gets_one_sentence_and_exit_code_2(
    arguments: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"cardnet: error: {complaint}")
    assert said.err.count("\n") == 1


def test_a_network_that_does_not_run_is_told_how_to_be_started(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    main(["trace", "--collector", NOBODY])
    assert f"start it with: {command_name()} up" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (f"trace --collector {NOBODY}", "--collector 127.0.0.1:4417"),
        (f"tail --collector {NOBODY}", "--collector 127.0.0.1:4417"),
        (f"pay --card approved --amount 1.00 --merchant {NOBODY}", "--merchant 127.0.0.1:50151 --tsp 127.0.0.1:50154"),
    ],
)
def test_where_a_network_runs_elsewhere_the_option_that_leads_to_it_is_named(
    arguments: str, option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    services = {"merchant": "127.0.0.1:50151", "tsp": "127.0.0.1:50154"}
    posted = PostedRoster(Roster(services=services, collector="127.0.0.1:4417"))
    try:
        assert main(arguments.split()) == 2
    finally:
        posted.take_down()
    said = capsys.readouterr().err
    assert f"but elsewhere. To ask the one of port 50151: {option}\n" in said
    assert "start it" not in said


@pytest.mark.parametrize(
    ("faults", "advice"),
    [
        (True, "To have it back, start it at http://localhost:8753/topology\n"),
        (False, "To have it back, stop that network and start it again\n"),
    ],
)
@pytest.mark.parametrize("command", ["pay --card approved --amount 1.00 --merchant", "trace --collector"])
def test_a_network_that_runs_without_the_one_asked_is_not_taken_for_another(
    command: str,
    faults: bool,
    advice: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    asked = {"services": {"merchant": NOBODY}, "collector": NOBODY, "console": "http://localhost:8753"}
    other = {"services": {"merchant": "127.0.0.1:50151"}, "collector": "127.0.0.1:4417"}
    posted = [PostedRoster(Roster(**asked, faults=faults)), PostedRoster(Roster(**other))]  # type: ignore[arg-type]
    try:
        assert main([*command.split(), NOBODY]) == 2
    finally:
        for one in posted:
            one.take_down()
    said = capsys.readouterr().err
    assert f"does not answer at {NOBODY}: it was stopped, or ended by itself" in said
    assert said.endswith(advice)
    assert "50151" not in said and "4417" not in said


def test_commands_are_named_so_that_they_can_be_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed = tmp_path / ".venv" / "bin" / "cardnet"
    installed.parent.mkdir(parents=True)
    installed.touch(0o755)
    monkeypatch.setattr(sys, "argv", [str(installed)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert command_name() == ".venv/bin/cardnet"
    monkeypatch.setenv("PATH", str(installed.parent))
    assert command_name() == "cardnet"
