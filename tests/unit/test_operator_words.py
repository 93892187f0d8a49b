"""What the operator's commands may be told, held against the protos; and what they say where no network runs."""

import re
from pathlib import Path
from typing import Any

import pytest

from cardnet.cde.v1.token_operator_pb2 import KeyPurpose
from cardnet.cli import main
from cardnet.cli.cryptogram import BINDINGS
from cardnet.cli.keys import PURPOSES
from cardnet.cli.requestors import ENTRY_MODES, LOCATIONS, USAGES
from cardnet.enumeration import number_of, word_of
from cardnet.token_lines import CAUSES, cells, document, facts
from cardnet.v1.payment_pb2 import PosEntryMode
from cardnet.v1.token_pb2 import Cause, Party, Token, TokenLocation, TokenState, TokenUsage
from cardnet.v1.token_service_pb2 import AmountBinding

REFERENCE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def words(kind: Any) -> set[str]:
    return {word_of(kind, number) for number in kind.values() if number}


@pytest.mark.parametrize(
    ("kind", "choices"),
    [
        (KeyPurpose, PURPOSES),
        (TokenUsage, USAGES),
        (PosEntryMode, ENTRY_MODES),
        (TokenLocation, LOCATIONS),
        (AmountBinding, BINDINGS),
        (Cause, (*CAUSES, "failed-cryptograms")),  # which the TSP alone may give
    ],
    ids=lambda value: "" if isinstance(value, tuple) else value.DESCRIPTOR.name,
)
def test_every_value_of_an_enumeration_can_be_typed(kind: Any, choices: tuple[str, ...]) -> None:
    assert set(choices) == words(kind)
    assert [word_of(kind, number_of(kind, word)) for word in choices] == list(choices)


def token() -> Token:
    return Token(
        token_reference_id=REFERENCE,
        token_requestor_id="00000000001",
        state=TokenState.TOKEN_STATE_SUSPENDED,
        suspended_by=[Party.PARTY_REQUESTOR, Party.PARTY_TSP],
        token_last_four="4242",
        token_expiry="2911",
        pan_last_four="0012",
        par="SIMX" + "A" * 25,
        token_assurance_level="10",
        usage=TokenUsage.TOKEN_USAGE_ONE_TIME,
        version=3,
    )


def test_a_token_is_shown_by_reference_and_last_four_digits() -> None:
    assert cells(token()) == (
        *(REFERENCE[:8], "suspended by requestor, tsp", "00000000001", "••••4242", "2911", "••••0012", "one-time"),
    )
    assert ("use", "one-time") in facts(token())  # a location that is not known is not told


def test_json_tells_every_field_of_a_token() -> None:
    assert set(document(token())) == {field.name for field in Token.DESCRIPTOR.fields}
    assert document(token())["suspended_by"] == ["requestor", "tsp"]


ASKING = [
    *("tokens list", f"tokens show {REFERENCE}", f"tokens suspend {REFERENCE}", f"tokens resume {REFERENCE}"),
    *(f"tokens delete {REFERENCE}", f"tokens activate {REFERENCE}", "tokens replace-pan lost --new-card stolen"),
    *(f"tokens cryptogram {REFERENCE} --amount 1.00", "tokens follow 00000000001"),
    *("requestors list", "requestors register --identity merchant --merchant-id M --domain a.example"),
    *("requestors webhook 00000000001 --off", "keys list", "keys rotate data", "keys rotate encryption"),
    *("audit show", "audit verify", "clock show", "clock advance 30d"),
]


@pytest.mark.parametrize("command", ASKING)
def test_where_no_network_runs_one_sentence_says_how_to_start_one(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"cardnet: error: no network of yours runs at port 50051; start one with: .* up\n", said.err), (
        said.err
    )


def test_commands_that_read_or_write_files_say_so_too_and_leave_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kek, cards = tmp_path / "kek", tmp_path / "cards.csv"
    kek.write_text("ab" * 32)
    cards.write_text("customer_id,pan,pan_expiry\n")
    for command in (
        f"keys unseal --kek-file {kek}",
        f"vault backup {tmp_path}/new",
        f"merchant import-cards {cards}",
        f"requestors webhook 00000000001 https://a.example --secret-file {tmp_path}/new",
        f"tokens cryptogram {REFERENCE} --amount 1.00 --out {tmp_path}/new",
    ):
        assert main([*command.split(), "--network", "50151"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("cardnet: error: no network of yours runs at port 50151; start one with: "), command
        assert said.endswith(" up --port-base 50151\n")
    assert {path.name for path in tmp_path.iterdir()} == {"kek", "cards.csv", "cardnet"}


def test_a_network_at_another_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    from cardnet.roster import PostedRoster, Roster

    posted = PostedRoster(Roster(services={"merchant": "127.0.0.1:50151"}, collector=""))
    assert main(["tokens", "list"]) == 2
    assert capsys.readouterr().err == (
        "cardnet: error: no network of yours runs at port 50051; name the one that you mean: --network 50151\n"
    )
    posted.take_down()


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("tokens show 0af", "REF: must be 4 to 32 hexadecimal digits"),
        ("tokens suspend xyzw", "REF: must be 4 to 32 hexadecimal digits"),
        (f"tokens suspend {REFERENCE}0", "REF: must be 4 to 32 hexadecimal digits"),
        (f"tokens suspend {REFERENCE} --as shop", "Invalid value for '--as'"),
        (f"tokens activate {REFERENCE} --as requestor", "Invalid value for '--as'"),
        (f"tokens cryptogram {REFERENCE} --amount 1.0", "amount: must have 2 decimals in USD"),
        (f"tokens cryptogram {REFERENCE} --amount 0.00", "amount: must be more than 0"),
        (f"tokens cryptogram {REFERENCE} --amount 1.00 --merchant-initiated", "original-rrn: must be given where"),
        (f"tokens cryptogram {REFERENCE} --amount 1.00 --out {__file__}", "out: must name a new file"),
        ("tokens replace-pan approved", "new-card: must be given with CARD"),
        ("tokens replace-pan", "CARD: must be given with --new-card, or else --pan-file"),
        ("tokens replace-pan nothing --new-card lost", "card: must be one of approved, "),
        (f"tokens replace-pan --pan-file {__file__}", "pan-file: must have the header pan,new_pan,new_pan_expiry"),
        ("requestors webhook 00000000001", "URL: must be given with --secret-file, or else --off alone"),
        ("requestors webhook 00000000001 https://a.example", "URL: must be given with --secret-file"),
        (
            f"requestors webhook 00000000001 https://a.example --secret-file {__file__}",
            "secret-file: must name a new file",
        ),
        ("keys rotate nothing", "Invalid value for 'PURPOSE'"),
        (f"keys rotate data --kek-file {__file__}", "kek-file: must be given for the purpose encryption alone"),
        (f"keys unseal --kek-file {__file__}", "kek-file: must hold a key-encryption key"),
        (f"vault backup {__file__}", "FILE: must name a new file"),
        ("vault backup /nowhere/copy", "FILE: must be in a folder that is there"),
        (f"vault restore {__file__}", "FILE: must be a copy that `cardnet vault backup` wrote"),
        ("clock advance 30", "TIME: must be a whole number and d, h, m or s"),
        ("tokens list --network 0", "Invalid value for '--network'"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anybody_is_asked(
    command: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"cardnet: error: {complaint}"), said.err
    assert said.err.count("\n") == 1


def test_a_pan_is_never_taken_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokens", "replace-pan", "9999000000000012", "--new-card", "lost"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("cardnet: error: card: must be one of approved, ")
    assert "9999" not in said


def test_commands_of_one_family_are_listed_where_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokens"]) == 0
    listed = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == [
        *("list", "show", "suspend", "resume", "delete", "activate", "replace-pan", "cryptogram", "follow")
    ]
