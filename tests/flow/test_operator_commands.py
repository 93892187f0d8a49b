"""The operator's commands against a network that runs: what they change is what the next payment meets."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from up import Up

from cardnet.cli import main
from cardnet.test_cards import test_card as card_named

REFERENCE = re.compile(r"[0-9a-f]{32}")


class Operator:
    """Somebody at the command line of one network."""

    def __init__(self, up: Up, capsys: pytest.CaptureFixture[str]) -> None:
        self._up = up
        self._capsys = capsys
        self._port = up.facts["services"]["merchant"].rpartition(":")[2]

    def __call__(self, command: str) -> tuple[int, str, str]:
        """Its exit code, what it printed and what it complained of."""
        code = main([*command.split(), "--network", self._port])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def done(self, command: str) -> Any:
        """What a command tells as JSON, which was done."""
        code, out, err = self(f"{command} --json")
        assert (code, err) == (0, ""), err
        return json.loads(out)

    def pay(self, card: str, amount: str = "1.00") -> str:
        """The response code of a payment."""
        services = self._up.facts["services"]
        options = ("--merchant", services["merchant"], "--tsp", services["tsp"])
        main(["pay", "--card", card, "--amount", amount, "--json", *options])
        return str(json.loads(self._capsys.readouterr().out)["response_code"])

    def token(self, card: str) -> str:
        """The reference of the shop's own token for a card that was paid with."""
        last_four = card_named(card).last_four
        tokens = self.done("tokens list --requestor 00000000001")
        [reference] = [token["token_reference_id"] for token in tokens if token["pan_last_four"] == last_four]
        return str(reference)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("session")))
        with Up("--single-process") as running:
            yield running
            assert running.stop() == (0, "")


@pytest.fixture
def operator(up: Up, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(up, capsys)


def test_a_token_that_is_suspended_is_refused_until_it_is_resumed(operator: Operator) -> None:
    assert operator.pay("approved") == "00"
    reference = operator.token("approved")

    assert operator.done(f"tokens suspend {reference[:10]} --cause fraud")["state"] == "suspended"
    assert operator.pay("approved") == "62"
    assert operator.done(f"tokens resume {reference}")["state"] == "active"
    assert operator.pay("approved") == "00"


def test_only_who_suspended_a_token_resumes_it(operator: Operator) -> None:
    operator.pay("approved-debit")
    reference = operator.token("approved-debit")

    for party, tsp in (("issuer", "issuer"), ("requestor", "requestor"), ("operator", "tsp")):
        shown = operator.done(f"tokens suspend {reference} --as {party}")
        assert shown["suspended_by"][-1:] == [tsp] or tsp in shown["suspended_by"]
    assert operator.done(f"tokens resume {reference} --as operator")["state"] == "suspended"
    code, out, err = operator(f"tokens resume {reference} --as operator")
    assert (code, out) == (1, "")
    assert err.startswith("cardnet: error: 57 not permitted to card: the operator has not suspended this token")
    operator.done(f"tokens resume {reference} --as issuer")
    assert operator.done(f"tokens resume {reference} --as requestor")["state"] == "active"


def test_a_deleted_token_is_refused_for_good(operator: Operator) -> None:
    operator.pay("approved-jpy", "100")
    reference = operator.token("approved-jpy")

    assert operator.done(f"tokens delete {reference} --as requestor --cause closed")["state"] == "deleted"
    code, _, err = operator(f"tokens resume {reference}")
    assert code == 1
    assert err.startswith("cardnet: error: 78 ")


def test_a_card_that_has_a_new_number_keeps_its_token(operator: Operator) -> None:
    operator.pay("over-limit")
    before = operator.done(f"tokens show {operator.token('over-limit')}")

    [after] = operator.done("tokens replace-pan over-limit --new-card do-not-honour")
    assert after["pan_last_four"] == card_named("do-not-honour").last_four
    for kept in ("token_reference_id", "token_last_four", "par", "token_expiry"):
        assert after[kept] == before[kept]
    code, _, err = operator("tokens replace-pan expired --new-card suspended-token")
    assert code == 1
    assert err.startswith("cardnet: error: 14 invalid card: the card has no tokens here")


def test_a_new_number_can_come_from_a_file(operator: Operator, tmp_path: Path) -> None:
    operator.pay("stolen")
    operator.token("stolen")
    old, new = card_named("stolen"), card_named("blocked")
    (tmp_path / "cards").write_text(f"pan,new_pan,new_pan_expiry\n{old.pan},{new.pan},{new.expiry}\n")

    [after] = operator.done(f"tokens replace-pan --pan-file {tmp_path}/cards --as issuer")
    assert after["pan_last_four"] == new.last_four


def test_a_cryptogram_is_shown_but_for_its_value(operator: Operator, tmp_path: Path) -> None:
    operator.pay("approved-eur")
    reference = operator.token("approved-eur")

    first = operator.done(f"tokens cryptogram {reference} --amount 12.40 --currency EUR")
    file = tmp_path / "token-data.json"
    second = operator.done(f"tokens cryptogram {reference} --amount 12.40 --currency EUR --binding none --out {file}")

    assert second["atc"] == first["atc"] + 1
    assert set(first) == {
        *("token_reference_id", "token_last_four", "token_expiry", "atc", "key_index", "eci", "expires_at")
    }
    written = json.loads(file.read_text())
    assert set(written) == {"payment_token", "token_expiry", "token_requestor_id", "cryptogram"}
    assert file.stat().st_mode & 0o777 == 0o600
    assert written["cryptogram"] not in json.dumps(second)
    assert written["payment_token"].endswith(second["token_last_four"])


def test_all_tokens_are_listed_without_a_number(operator: Operator) -> None:
    operator.pay("lost")
    code, listed, _ = operator("tokens list")
    assert code == 0
    assert re.search(r"\b[0-9a-f]{8}  active +00000000001  ••••[0-9]{4}  [0-9]{4}  ••••", listed)
    assert not re.search(r"[0-9]{12,}", listed)
    assert all(len(line) <= 100 for line in listed.splitlines())
    assert {token["token_requestor_id"] for token in operator.done("tokens list")} == {"00000000001"}
    assert operator.done("tokens list --requestor 00000000003") == []


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("tokens show ffffffff", "no token's reference begins so"),
        (f"tokens show {'f' * 32}", "no token has this reference"),
        ("tokens list --requestor 00000000099", "TRID: must be a registered Token Requestor"),
        ("tokens follow 00000000099", "TRID: must be a registered Token Requestor"),
        (
            "requestors register --identity nobody --merchant-id M --domain a.example",
            "requestor.identity: must be a merchant's: merchant, or a name that ends in -merchant",
        ),
    ],
)
def test_what_is_not_there_is_said_to_be_so(operator: Operator, command: str, complaint: str) -> None:
    code, out, err = operator(command)
    assert (code, out) == (2, "")
    assert err.startswith(f"cardnet: error: {complaint}")


def test_a_requestor_is_registered_once(operator: Operator) -> None:
    register = (
        "requestors register --identity merchant --merchant-id MERCHANT0000001 --domain new.example --usage one-time"
    )
    registered = operator.done(register)
    assert operator.done(register) == registered
    assert registered in operator.done("requestors list")
    assert registered["pos_entry_modes"] == ["credential-on-file", "ecommerce"]
    _, listed, _ = operator("requestors list")
    assert f"{registered['token_requestor_id']}  merchant " in listed


def test_a_webhooks_secret_is_written_to_a_file_and_shown_nowhere(operator: Operator, tmp_path: Path) -> None:
    file = tmp_path / "secret"  # of a requestor whose tokens nobody changes here, so that nothing is posted
    code, out, err = operator(f"requestors webhook 00000000004 https://a.example --secret-file {file}")
    assert (code, err) == (0, "")
    secret = file.read_text().strip()
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret not in out
    [known] = [each for each in operator.done("requestors list") if each["token_requestor_id"] == "00000000004"]
    assert known["webhook_url"] == "https://a.example"
    operator.done("requestors webhook 00000000004 --off")

    code, _, err = operator(f"requestors webhook 00000000099 https://a.example --secret-file {tmp_path}/other")
    assert (code, err.startswith("cardnet: error: 14 ")) == (1, True)
    assert not (tmp_path / "other").exists()
