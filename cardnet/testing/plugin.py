"""The pytest plugin: `cardnet_network`, a payment network of a test's own.

    @pytest.mark.asyncio
    async def test_a_card_on_file_is_charged(cardnet_network):
        card = await cardnet_network.save_card("approved")
        payment = await cardnet_network.checkout(card, "12.40 USD")
        assert payment.approved

When a test fails, the traces of what it paid through this or any other `LocalNetwork` among its fixtures are shown.

It is there once cardnet is installed. Where pytest-asyncio is missing the fixture is left to another plugin that knows
coroutines, such as anyio's. Nothing is started, and gRPC not imported, before a test asks for it.
"""

import sys
from collections.abc import AsyncIterator, Generator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pytest

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:
    async_fixture = pytest.fixture  # type: ignore[assignment]

if TYPE_CHECKING:
    from cardnet.testing import LocalNetwork

MARKER = "cardnet(**settings): what the test's cardnet_network is given, such as seed='7' or in_process=False"

SECTION, MORE = "cardnet: the last payment", "cardnet: there were more payments"

MOST_PAYMENTS = 5
"""Payments of a test whose traces are shown when it fails."""

OWN = "cardnet_network"

_own: "pytest.StashKey[LocalNetwork]" = pytest.StashKey()

_before: "WeakKeyDictionary[LocalNetwork, frozenset[str]]" = WeakKeyDictionary()
"""The traces in each network that were there when an earlier test had ended: those are not the next one's."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --cardnet-processes."""
    parser.getgroup("cardnet").addoption(
        "--cardnet-processes",
        action="store_true",
        help="run each cardnet service in a process of its own, as in earnest, and not all in this one",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@async_fixture
async def cardnet_network(request: pytest.FixtureRequest) -> AsyncIterator["LocalNetwork"]:
    """A payment network of this test's own: five services in this process, their store and a collector of traces."""
    from cardnet.testing import LocalNetwork

    settings: dict[str, Any] = {"in_process": not request.config.getoption("--cardnet-processes")}
    for marker in reversed(list(request.node.iter_markers("cardnet"))):  # the test's own has the last word
        settings |= marker.kwargs
    async with LocalNetwork(**settings) as network:
        request.node.stash[_own] = network
        yield network


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the traces of the payments when a test fails."""
    report = yield
    if report.when == "call" and report.failed:
        networks = _networks(item)
        for name, network in networks.items():
            report.sections.extend(_payments(network, f" ({name})" if len(networks) > 1 else ""))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Remember what was paid until here: a network may be shared by several tests."""
    networks = _networks(item)  # before its fixtures are let go of
    try:
        return (yield)
    finally:
        for network in networks.values():
            _before[network] = frozenset(network.collector.archive.latest(sys.maxsize))


def _networks(item: pytest.Item) -> "dict[str, LocalNetwork]":
    """The networks among a test's fixtures, each once, by the fixtures' names."""
    module = sys.modules.get("cardnet.testing.network")
    if module is None:  # nobody has one, and to know what one is means to import gRPC
        return {}
    fixtures: dict[str, Any] = dict(getattr(item, "funcargs", None) or {})
    if _own in item.stash:  # also where a test asked for it by `request.getfixturevalue`
        fixtures[OWN] = item.stash[_own]
    found = {id(value): name for name, value in fixtures.items() if isinstance(value, module.LocalNetwork)}
    return {name: fixtures[name] for name in found.values()}


def _payments(network: "LocalNetwork", where: str) -> list[tuple[str, str]]:
    """Each payment of the test, the last one first. where: ends the titles."""
    from cardnet.traces.picture import plain

    archive, before = network.collector.archive, _before.get(network, frozenset())
    ids = [id_ for id_ in archive.latest(sys.maxsize) if id_ not in before]
    shown = [
        ((SECTION if at == 0 else f"cardnet: {at} before the last payment") + where, plain(archive.find_now(id_)))
        for at, id_ in enumerate(ids[:MOST_PAYMENTS])
    ]
    return shown + [(MORE + where, f"the latest {MOST_PAYMENTS} are shown")] * (len(ids) > MOST_PAYMENTS)
