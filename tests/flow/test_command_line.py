"""The command line against networks that run: as a user meets it, from outside."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from patience import AMPLE_S
from up import ROOT, Up, cardnet

from cardnet.steps import STEPS

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    with Up("--single-process") as running:
        yield running
        assert running.stop() == (0, "")


def test_a_payment_is_approved_and_its_trace_has_the_nine_steps(up: Up) -> None:
    paid = up.pay("--card", "approved", "--amount", "12.40", "--json")
    assert paid.returncode == 0, paid.stderr
    answer = json.loads(paid.stdout)
    assert (answer["approved"], answer["response_code"]) == (True, "00")
    trace = up.complete(answer["trace_id"][:8])
    assert [step["number"] for step in trace["steps"]] == [step.number for step in STEPS]


def test_what_pay_says_to_do_next_can_be_typed_and_opened_wherever_the_network_is(up: Up) -> None:
    paid = up.pay("--card", "approved", "--amount", "12.40")
    said = dict(line.split(maxsplit=1) for line in paid.stdout.splitlines()[-3:])
    assert said["page"] == f"{up.facts['console']}/authorisations/{said['trace']}"
    up.complete(said["trace"])  # both say within a second that there is none, if nothing of it has come by then
    assert httpx.get(said["page"], timeout=AMPLE_S).status_code == 200
    arguments = said["steps"].partition(" trace ")[2].split()
    assert arguments == [said["trace"][:8], "--collector", up.facts["collector"]]
    assert cardnet("trace", *arguments).returncode == 0


def test_a_trigger_says_where_its_payment_is_to_be_seen(up: Up) -> None:
    port = up.facts["services"]["merchant"].rpartition(":")[2]
    shown = cardnet("trigger", "wrong-merchant", "--network", port)
    assert shown.returncode == 0, shown.stderr
    said = dict(line.split(maxsplit=1) for line in shown.stdout.splitlines()[-2:])
    assert said["page"] == f"{up.facts['console']}/authorisations/{said['trace']}"
    told = json.loads(cardnet("trigger", "wrong-merchant", "--network", port, "--json").stdout)
    assert told["page"] == f"{up.facts['console']}/authorisations/{told['trace_id']}"


def test_a_refused_payment_says_why_and_ends_with_1(up: Up) -> None:
    paid = up.pay("--card", "insufficient-funds", "--amount", "12.40")
    assert paid.returncode == 1
    assert paid.stdout.startswith("51 insufficient funds  12.40 USD  card ••••0517")
    assert "not enough funds" in paid.stdout


def test_the_same_key_pays_once(up: Up) -> None:
    first, again = (up.pay("--card", "approved", "--amount", "1.00", "--key", "order-1", "--json") for _ in range(2))
    assert first.stdout == again.stdout
    other = up.pay("--card", "approved", "--amount", "2.00", "--key", "order-1")
    assert other.returncode == 2
    assert other.stderr.startswith("cardnet: error: ")


def test_a_trace_shows_what_changed_and_never_a_number(up: Up) -> None:
    assert up.pay("--card", "approved", "--amount", "3.00", "--traceparent", TRACEPARENT).returncode == 0
    up.complete("0af76519")
    shown = up.trace("0af76519")
    assert shown.returncode == 0
    assert " 5 network    → issuer      DE2 token ••••" in shown.stdout
    assert "PAN seen by: network, tsp, issuer   never by: merchant, acquirer" in shown.stdout
    assert "9999000000000012" not in shown.stdout + up.trace("0af76519", "--all").stdout


def test_without_an_id_the_latest_are_listed_newest_first(up: Up) -> None:
    answer = json.loads(up.pay("--card", "approved", "--amount", "4.00", "--json").stdout)
    up.complete(answer["trace_id"])
    heading, newest, *_ = up.trace().stdout.splitlines()
    assert heading.split() == ["trace", "amount", "answer", "decided", "by", "steps"]
    assert newest.startswith(f"{answer['trace_id'][:8]}  4.00 USD")


def test_an_unknown_trace_is_a_question_that_cannot_be_answered(up: Up) -> None:
    unknown = up.trace("ffffffff")
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("cardnet: error: no such trace")


@pytest.mark.parametrize("options", [("--single-process",), ()], ids=["single process", "processes"])
def test_a_receiver_outside_is_sent_the_spans_as_well(options: tuple[str, ...]) -> None:
    outside = Up("--single-process", "--insecure")  # in plain text, as most receivers are
    with outside as receiver, Up(*options, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{outside.facts['collector']}") as other:
        answer = json.loads(other.pay("--card", "approved", "--amount", "5.00", "--json").stdout)
        for network in (other, receiver):
            trace = network.complete(answer["trace_id"])
            assert [step["number"] for step in trace["steps"]] == [step.number for step in STEPS]
        assert other.stop() == (0, "")
        code, said = receiver.stop()
        assert code == 0
        assert said.startswith("cardnet: warning: INSECURE: plain text, no certificates.")


def test_a_port_that_is_taken_gets_one_sentence(up: Up) -> None:
    port = up.facts["collector"].rpartition(":")[2]
    second = cardnet("up", "--port-base", "0", "--otlp-port", port)
    assert second.returncode == 2
    assert second.stderr == (
        f"cardnet: error: port {port} is taken: stop what uses it, or choose another with --otlp-port\n"
    )


def test_ctrl_c_stops_every_process_and_leaves_nothing() -> None:
    with Up() as running:
        pids = running.facts["pids"].values()
        assert len(pids) == 6
        assert running.stop(signal.SIGINT) == (0, "")
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_a_service_that_dies_is_named_while_the_others_go_on() -> None:
    with Up() as running:
        os.kill(running.facts["pids"]["acquirer"], signal.SIGKILL)
        assert running.process.stderr
        assert running.process.stderr.readline().startswith("cardnet: error: the acquirer ended (SIGKILL")
        assert running.pay("--card", "approved", "--amount", "1.00").returncode == 2
        assert running.stop() == (0, "")


def test_a_store_that_dies_is_named_with_its_last_words() -> None:
    with Up() as running:
        os.kill(running.facts["store_pid"], signal.SIGTERM)
        assert running.process.stderr
        assert running.process.stderr.readline().startswith("cardnet: error: the store ended; it said: ")
        refused = running.pay("--card", "approved", "--amount", "1.00")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "store does not answer" in refused.stderr
        assert running.stop() == (0, "")


def test_the_demo_shows_the_nine_steps_and_five_outcomes_and_is_the_same_in_json() -> None:
    shown, told = cardnet("demo"), cardnet("demo", "--json")
    assert (shown.returncode, told.returncode) == (0, 0), shown.stderr + told.stderr
    lines = shown.stdout.splitlines()
    taken = [line for line in lines if " → " in line[:20] or " ⇄ " in line[:20]]
    assert [line[:2].strip() for line in taken] == [str(step.number) for step in STEPS]
    assert "5 of 5 as expected" in lines
    assert "PAN seen by: network, tsp, issuer   never by: merchant, acquirer" in lines
    assert all(len(line) <= 100 for line in lines)
    # The README shows what is shown, but for ports and times.
    first, last = lines.index(taken[0]), lines.index("5 of 5 as expected")
    assert "\n".join(lines[first : last + 1]) in (ROOT / "README.md").read_text()
    # Two runs, one seed: the same authorisation, down to its identifiers.
    document = json.loads(told.stdout)
    answer = document["trace"]["steps"][-1]["fields"]
    assert f"Authorisation {document['trace']['trace_id'][:8]}  12.40 USD" in shown.stdout
    assert f"auth {answer['auth_code']}  " in shown.stdout
    assert [outcome["response_code"] for outcome in document["outcomes"]] == ["00", "51", "62", "91", "82"]
