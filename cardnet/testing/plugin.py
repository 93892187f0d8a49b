"""The pytest plugin: `cardnet_network`, a payment network of a test's own.

    @pytest.mark.asyncio
    async def test_a_card_on_file_is_charged(cardnet_network):
        card = await cardnet_network.save_card("approved")
        payment = await cardnet_network.checkout(card, "12.40 USD")
        assert payment.approved

It is there once cardnet is installed. Where pytest-asyncio is missing the fixture is left to another plugin that knows
coroutines, such as anyio's. Nothing is started, and gRPC not imported, before a test asks for it.
"""

from collections.abc import AsyncIterator, Generator
from typing import TYPE_CHECKING, Any

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

_network: "pytest.StashKey[LocalNetwork]" = pytest.StashKey()


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
        request.node.stash[_network] = network
        yield network


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the traces of the payments when a test fails."""
    report = yield
    if report.when == "call" and report.failed and _network in item.stash:
        report.sections.extend(_payments(item.stash[_network]))
    return report


def _payments(network: "LocalNetwork") -> list[tuple[str, str]]:
    """Each payment of the test, the last one first."""
    from cardnet.traces.picture import plain

    archive = network.collector.archive
    ids = archive.latest(MOST_PAYMENTS + 1)
    shown = [
        (SECTION if at == 0 else f"cardnet: {at} before the last payment", plain(archive.find_now(id_)))
        for at, id_ in enumerate(ids[:MOST_PAYMENTS])
    ]
    return shown + [(MORE, f"the latest {MOST_PAYMENTS} are shown")] * (len(ids) > MOST_PAYMENTS)
