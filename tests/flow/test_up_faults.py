"""`cardnet up --faults` as a user starts it: what is stopped on purpose is no accident."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator

import httpx
import pytest
from up import Up, cardnet
from waiting import until


@pytest.fixture(scope="module")
def running() -> Iterator[Up]:
    with Up("--faults", "--no-web", "--console-port", "0") as running:
        yield running


@pytest.fixture
def console(running: Up) -> Iterator[httpx.Client]:
    origin = running.facts["console"]
    with httpx.Client(base_url=origin, headers={"origin": origin}, timeout=60) as client:
        yield client


def word(console: httpx.Client, service: str) -> str:
    return str(console.get("/topology.json").json()[service]["word"])


def serves(console: httpx.Client, service: str) -> bool:
    """Whether it comes to serve: whoever does not say within two seconds how it is counts as unreachable."""

    async def look() -> bool:
        return word(console, service) == "serving"

    return asyncio.run(until(look, f"the {service} serves"))


def pull(console: httpx.Client, service: str, action: str) -> None:
    assert console.post(f"/topology/services/{service}", data={"action": action}).status_code == 303


def test_a_service_is_stopped_and_started_without_complaint_and_watched_again_afterwards(
    running: Up, console: httpx.Client
) -> None:
    pull(console, "issuer", "stop")
    assert word(console, "issuer") == "stopped"
    unpaid = running.pay("--card", "approved", "--amount", "1.00")  # nobody vouches for the card
    assert (unpaid.returncode, unpaid.stdout) == (2, "")
    assert unpaid.stderr.startswith("cardnet: error: the issuer cannot be reached or cannot answer now. No payment ")
    pull(console, "issuer", "start")
    assert serves(console, "issuer")

    os.kill(running.facts["pids"]["acquirer"], signal.SIGKILL)
    # The first complaint of all is of the acquirer: the issuer was stopped on purpose.
    assert running.process.stderr
    origin = running.facts["console"]
    said = running.process.stderr.readline()
    assert said.startswith("cardnet: error: the acquirer ended (SIGKILL")
    assert said.endswith(f"To have it back, start it at {origin}/topology\n")
    assert word(console, "acquirer") == "ended"

    pull(console, "acquirer", "start")
    assert serves(console, "acquirer")
    assert running.process.poll() is None


def test_pulling_a_lever_twice_is_no_mistake(console: httpx.Client) -> None:
    for action, state in (("pause", "paused"), ("resume", "serving"), ("stop", "stopped"), ("start", "serving")):
        pull(console, "tsp", action)
        pull(console, "tsp", action)
        assert serves(console, "tsp") if state == "serving" else word(console, "tsp") == state


def unanswered(running: Up, console: httpx.Client, *options: str) -> subprocess.CompletedProcess[str]:
    """A payment whose question gets lost behind the acquirer."""
    switch = {"hop": "acquirer-network", "kind": "error", "times": "1"}
    assert console.post("/topology/switches", data=switch).status_code == 303
    unpaid = running.pay("--card", "approved", "--amount", "1.00", *options)
    assert unpaid.returncode == 2
    return unpaid


def test_a_payment_without_an_answer_says_where_it_is_to_be_seen(running: Up, console: httpx.Client) -> None:
    unpaid = unanswered(running, console)
    assert unpaid.stdout == ""
    complaint, *lines = unpaid.stderr.splitlines()
    assert complaint == "cardnet: error: the network cannot be reached or cannot answer now"
    said = dict(line.split(maxsplit=1) for line in lines)
    assert list(said) == ["trace", "steps", "page"]
    assert said["page"] == f"{running.facts['console']}/authorisations/{said['trace']}"
    assert said["steps"].endswith(f" trace {said['trace'][:8]} --collector {running.facts['collector']}")
    trace = running.complete(said["trace"])
    assert [step["number"] for step in trace["steps"]] == [1, 2, 3]


def test_programs_are_told_the_trace_and_the_key_of_a_payment_without_an_answer(
    running: Up, console: httpx.Client
) -> None:
    unpaid = unanswered(running, console, "--key", "to-be-asked-again", "--json")
    assert unpaid.stderr == "cardnet: error: the network cannot be reached or cannot answer now\n"
    told = json.loads(unpaid.stdout)
    assert told == {
        "error": "the network cannot be reached or cannot answer now",
        "reason": "NEIGHBOUR_UNAVAILABLE",
        "idempotency_key": "to-be-asked-again",
        "trace_id": told["trace_id"],
        "page": f"{running.facts['console']}/authorisations/{told['trace_id']}",
    }
    assert running.complete(told["trace_id"])["trace_id"] == told["trace_id"]


def test_what_could_never_have_been_paid_has_no_steps_to_look_at(running: Up) -> None:
    malformed = running.pay("--card", "approved", "--amount", "1.00", "--key", "a key with blanks")
    assert malformed.returncode == 2
    assert malformed.stderr.startswith("cardnet: error: idempotency_key: must be ")
    assert malformed.stderr.count("\n") == 1


def test_where_a_service_was_stopped_its_network_is_named_and_no_other(running: Up, console: httpx.Client) -> None:
    pull(console, "tsp", "stop")
    address, port = running.facts["services"]["tsp"], running.facts["services"]["merchant"].rpartition(":")[2]
    levers = f"{running.facts['console']}/topology"
    unasked = running.pay("--card", "approved", "--amount", "1.00")
    assert unasked.returncode == 2
    assert unasked.stderr == (
        f"cardnet: error: the tsp does not answer at {address}: it was stopped, or ended by itself, and the rest of "
        f"the network of port {port} goes on without it. To have it back, start it at {levers}\n"
    )
    listing = cardnet("tokens", "list", "--network", port)
    assert f"does not answer at {running.facts['admin']['tsp']}: " in listing.stderr
    pull(console, "tsp", "start")
    assert serves(console, "tsp")


def test_all_ends_with_a_service_paused_and_another_stopped(running: Up, console: httpx.Client) -> None:
    pull(console, "issuer", "pause")
    pull(console, "network", "stop")
    code, said = running.stop(signal.SIGINT)
    assert (code, said) == (0, "")
