"""`cardnet demo`: five services, a few payments, the nine steps on the screen."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from cardnet.cli.identities import identities
from cardnet.cli.words import as_json, checked_address, checked_time, command_name, complain, print_json
from cardnet.errors import Fault, InvalidField
from cardnet.identity import MERCHANT
from cardnet.response_code import ResponseCode
from cardnet.steps import STEPS
from cardnet.test_cards import test_card

if TYPE_CHECKING:
    from cardnet.cli.terminal import Terminal
    from cardnet.testing import LocalNetwork, Network, Payment

AMOUNT = "12.40 USD"
ALSO = ("insufficient-funds", "suspended-token", "issuer-down")
"""The cards that are paid with after the approved one."""


class Outcome(NamedTuple):
    """One payment: what was expected and what came."""

    name: str
    expected: ResponseCode
    came: ResponseCode

    @property
    def as_expected(self) -> bool:
        """Whether it came as it should."""
        return self.came is self.expected


@click.command(short_help="Five services, a few payments, the nine steps on the screen.")
@click.option("--seed", default="7", show_default=True, help="The same seed gives the same tokens and identifiers.")
@click.option("--frozen-at", default="2026-01-15T09:00:00Z", show_default=True, metavar="TIME", help="Stop the clock.")
@click.option("--merchant", default="", metavar="HOST:PORT", help="Of a network that runs already: it starts none.")
@click.option("--tsp", default="127.0.0.1:50054", show_default=True, metavar="HOST:PORT", help="The same network's.")
@click.option(
    "--collector", default="127.0.0.1:4317", show_default=True, metavar="HOST:PORT", help="The same network's."
)
@identities
@as_json
def demo(
    seed: str, frozen_at: str, merchant: str, tsp: str, collector: str, identities: Path | None, json_: bool
) -> int:
    """Start a network on free ports, make five payments, draw the nine steps of the first one, stop.

    With --merchant it plays at a network that runs, such as one in containers, with --identities. The fifth payment,
    with a replayed cryptogram, is made there only if the merchant's own identity is among them.

    Exit codes: 0 all came as expected, 1 something did not.
    """
    checked_time("frozen-at", frozen_at)
    if not merchant:
        return asyncio.run(_demo(seed, frozen_at, json_))
    if not identities:
        raise InvalidField("identities", "must be given with --merchant: the folder of the network's certificates")
    addresses = {
        "merchant": checked_address("merchant", merchant),
        "tsp": checked_address("tsp", tsp),
        "collector": checked_address("collector", collector),
    }
    return asyncio.run(_demo_at(addresses, identities, json_))


async def _demo(seed: str, frozen_at: str, json_: bool) -> int:
    from cardnet.cli.terminal import Terminal, progress
    from cardnet.testing import LocalNetwork

    network, terminal = LocalNetwork(seed=seed, frozen_at=frozen_at), None if json_ else Terminal()
    with progress("starting the store and five services …"):
        await network.start()
    try:
        if terminal:
            await _show_network(network, terminal, seed, frozen_at)
        code = await _play(network, terminal, replaying=True)
        if terminal and not code:
            terminal.say()
            terminal.commands("Next:  ", _next())
        return code
    finally:
        await network.stop()


async def _demo_at(addresses: dict[str, str], identities: Path, json_: bool) -> int:
    from cardnet.cli.terminal import Terminal
    from cardnet.testing import RemoteNetwork

    async with RemoteNetwork(addresses, identities) as network:
        # A replay is played by somebody who got hold of the shop's own identity.
        return await _play(network, None if json_ else Terminal(), replaying=(identities / MERCHANT).is_dir())


async def _play(network: "Network", terminal: "Terminal | None", *, replaying: bool) -> int:
    from cardnet.cli.terminal import progress

    try:
        card = await network.save_card("approved")
        payment = await network.checkout(card, AMOUNT)
        if terminal:
            _show_payment(payment, terminal)
        with progress("paying with cards that are refused …"):
            outcomes = [Outcome("approved", test_card("approved").outcome, payment.response_code)]
            outcomes += await asyncio.gather(*(_pay(network, name) for name in ALSO))
            if replaying:
                outcomes.append(await _replay(network, payment))
    except Fault as fault:  # the network stands, so this is no want of one: something in it failed
        complain(f"a payment of the demo could not be made: {fault}")
        return 1

    problems = _problems(payment, outcomes)
    if terminal:
        _show_outcomes(outcomes, terminal)
    else:
        print_json(_document(payment, outcomes))
    for problem in problems:
        complain(problem)
    return 1 if problems else 0


async def _pay(network: "Network", name: str) -> Outcome:
    card = await network.save_card(name)
    payment = await network.checkout(card, AMOUNT)
    return Outcome(name, test_card(name).outcome, payment.response_code)


async def _replay(network: "Network", paid: "Payment") -> Outcome:
    """Pay twice with one cryptogram, as a thief would who overheard a payment."""
    from cardnet.cli.replay import replayed

    return Outcome("replayed cryptogram", ResponseCode.CRYPTOGRAM_FAILURE, await replayed(network, paid, AMOUNT))


async def _show_network(network: "LocalNetwork", terminal: "Terminal", seed: str, frozen_at: str) -> None:
    from cardnet.cli.network_table import header, show_network

    terminal.say((header(seed, frozen_at), "bold"))
    await show_network(network, terminal)
    terminal.say()


def _show_payment(payment: "Payment", terminal: "Terminal") -> None:
    from cardnet.traces.picture import summary

    terminal.headline(summary(payment.trace), payment.elapsed_s * 1000)
    terminal.steps(payment.trace)
    terminal.pan_line(payment.trace)
    terminal.say()


def _show_outcomes(outcomes: Sequence[Outcome], terminal: "Terminal") -> None:
    from cardnet.cli.terminal import style_of

    right = sum(outcome.as_expected for outcome in outcomes)
    said: list[str | tuple[str, str]] = []
    for outcome in outcomes[1:]:
        said += [" · " if said else "", f"{outcome.name.replace('-', ' ')} "]
        said.append((outcome.came.value, "bold green" if outcome.as_expected else "bold red"))
    terminal.say(("Also paid: ", "bold"), *said)
    verdict = f"{right} of {len(outcomes)} as expected"
    terminal.say((verdict, style_of("00" if right == len(outcomes) else "")))


def _next() -> list[tuple[str, str]]:
    name = command_name()
    suite = [("make test", "the whole test suite")] if "MAKELEVEL" in os.environ else []
    return [
        *suite,
        (f"{name} up", "keep one running; then, elsewhere:"),
        (f"{name} pay --card approved --amount 12.40", "pay"),
        (f"{name} trace", "the latest; with an ID, its steps"),
        (f"{name} cards", "all test cards"),
    ]


def _problems(payment: "Payment", outcomes: Sequence[Outcome]) -> list[str]:
    problems = [
        f"{outcome.name}: {outcome.expected} {outcome.expected.meaning} was expected, {outcome.came} "
        f"{outcome.came.meaning} came"
        for outcome in outcomes
        if not outcome.as_expected
    ]
    if tuple(payment.steps) != STEPS:
        taken = ", ".join(map(str, payment.trace.numbers())) or "none"
        problems.append(f"the approved payment should have taken nine steps; recorded: {taken}")
    return problems


def _document(payment: "Payment", outcomes: Sequence[Outcome]) -> dict[str, object]:
    from cardnet.traces.picture import who_saw_the_pan

    saw, never = who_saw_the_pan(payment.trace)
    return {
        "trace": json.loads(payment.trace.to_json()),
        "pan_seen_by": saw,
        "pan_never_seen_by": never,
        "outcomes": [
            {"name": outcome.name, "expected": outcome.expected.value, "response_code": outcome.came.value}
            for outcome in outcomes
        ],
    }
