"""The pytest plugin, in a project of a user's own."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PAYS = """
import pytest

@pytest.mark.asyncio
async def test_pays(cardnet_network):
    card = await cardnet_network.save_card("{card}")
    payment = await cardnet_network.checkout(card, "12.40 USD")
    assert payment.approved
"""


def run_pytest(folder: Path, test: str, *options: str) -> str:
    """What pytest says of one file. It knows the plugin even where cardnet is not installed."""
    installed = any(entry.name == "cardnet" for entry in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", "cardnet.testing.plugin")
    (folder / "test_it.py").write_text(test)
    command = (
        sys.executable,
        "-m",
        "pytest",
        *plugin,
        "-p",
        "no:valkey",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
        "-p",
        "no:xdist",
        "-p",
        "patiently",
        "--no-header",
    )
    environ = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
    # Not below our own settings: the folder is a project of its own.
    result = subprocess.run(
        (*command, "--rootdir", ".", *options), cwd=folder, env=environ, capture_output=True, text=True
    )
    return result.stdout + result.stderr


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_the_fixture_works_in_either_mode(tmp_path: Path, mode: str) -> None:
    said = run_pytest(tmp_path, PAYS.format(card="approved"), "-o", f"asyncio_mode={mode}")
    assert "1 passed" in said, said


def test_the_example_of_the_readme_passes_as_it_stands(tmp_path: Path) -> None:
    _, _, rest = (ROOT / "README.md").read_text().partition("```python\n")
    assert "1 passed" in run_pytest(tmp_path, rest.partition("```")[0])


def test_a_failure_shows_the_steps_of_the_last_payment(tmp_path: Path) -> None:
    said = run_pytest(tmp_path, PAYS.format(card="insufficient-funds"))
    assert "1 failed" in said
    assert "cardnet: the last payment" in said
    assert " 6 issuer     → network     DE39 51 insufficient funds" in said


def test_a_failure_shows_each_payment_of_the_test_but_no_more_than_five(tmp_path: Path) -> None:
    test = """
import pytest

@pytest.mark.asyncio
async def test_pays_often(cardnet_network):
    card = await cardnet_network.save_card("approved")
    for _ in range({times}):
        payment = await cardnet_network.checkout(card, "12.40 USD")
    assert payment.steps[6].changed("DE39"), payment.saw_pan
"""
    said = run_pytest(tmp_path, test.format(times=2))
    assert "cardnet: 1 before the last payment" in said
    assert said.count("decided at step 6: the issuer approved 12.40 USD") == 2
    assert said.count("PAN seen by: network, tsp, issuer; never by: merchant, acquirer") == 2
    assert "there were more payments" not in said

    said = run_pytest(tmp_path, test.format(times=6))
    assert said.count("decided at step 6") == 5
    assert "cardnet: there were more payments" in said


def test_a_failure_shows_what_its_test_paid_through_a_network_of_the_users_own(tmp_path: Path) -> None:
    test = """
import pytest
import pytest_asyncio
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")

@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_network():
    async with LocalNetwork(in_process=True) as network:
        yield network

@pytest_asyncio.fixture(loop_scope="module")
async def paid(shared_network):
    card = await shared_network.save_card("approved")
    return await shared_network.checkout(card, "3.00 USD")

async def test_first(shared_network):
    card = await shared_network.save_card("approved")
    assert (await shared_network.checkout(card, "1.00 USD")).approved

async def test_second(shared_network):
    card = await shared_network.save_card("approved")
    assert not (await shared_network.checkout(card, "2.00 USD")).approved

async def test_third(shared_network):
    raise AssertionError("nothing was paid")

async def test_fourth(paid):
    assert not paid.approved
"""
    said = run_pytest(tmp_path, test)
    assert "3 failed, 1 passed" in said, said
    assert said.count("cardnet: the last payment") == 2
    assert "before the last payment" not in said
    shown = {amount: said.count(f"the issuer approved {amount}.00 USD") for amount in (1, 2, 3)}
    assert shown == {1: 0, 2: 1, 3: 1}


def test_the_payments_of_two_networks_are_told_apart(tmp_path: Path) -> None:
    test = """
import pytest
import pytest_asyncio
from cardnet.testing import LocalNetwork

@pytest_asyncio.fixture
async def other_network():
    async with LocalNetwork(in_process=True) as network:
        yield network

@pytest.fixture
def by_another_name(other_network):
    return other_network

@pytest.mark.asyncio
async def test_pays_at_both(cardnet_network, other_network, by_another_name):
    for network, amount in ((cardnet_network, "1.00 USD"), (other_network, "2.00 USD")):
        await network.checkout(await network.save_card("approved"), amount)
    raise AssertionError
"""
    said = run_pytest(tmp_path, test)
    assert said.count("cardnet: the last payment") == 2, said
    for name, amount in (("cardnet_network", "1.00 USD"), ("by_another_name", "2.00 USD")):
        _, _, section = said.partition(f"cardnet: the last payment ({name})")
        assert f"the issuer approved {amount}" in section.partition("cardnet: the last")[0]


def test_a_marker_says_what_the_network_is_given(tmp_path: Path) -> None:
    test = """
import pytest

@pytest.mark.asyncio
@pytest.mark.cardnet(in_process=False)
async def test_processes(cardnet_network):
    assert len(cardnet_network.processes) == 5
"""
    assert "1 passed" in run_pytest(tmp_path, test, "--strict-markers")


def test_nothing_heavy_is_loaded_for_tests_that_need_no_network(tmp_path: Path) -> None:
    test = "import sys\ndef test_light(): assert not {'grpc', 'google.protobuf', 'redis'} & set(sys.modules)"
    assert "1 passed" in run_pytest(tmp_path, test)


def test_a_project_without_pytest_asyncio_is_not_disturbed(tmp_path: Path) -> None:
    (tmp_path / "pytest_asyncio.py").write_text("raise ImportError('not installed')")
    assert "1 passed" in run_pytest(tmp_path, "def test_plain(): pass", "-p", "no:asyncio")
