"""With deploy/compose/admin.yml operators have doors of their own. The last of these tests: it changes the stack."""

import json
import subprocess

from stack import ADMIN, Stack, service_of

from cardnet.testing import RemoteNetwork


def operator(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ("--progress", "quiet", "run", "--rm", "--no-TTY", "--no-deps", "operator", *arguments)
    return stack.compose(*ADMIN, *command, check=False)


async def test_an_operator_suspends_a_token_and_the_next_payment_is_refused(
    stack: Stack, network: RemoteNetwork
) -> None:
    card = await network.save_card("approved-eur")
    stack.compose(*ADMIN, "up", "--wait")
    bound = {
        service_of(one): {
            place["HostIp"] for ports in (one["HostConfig"]["PortBindings"] or {}).values() for place in ports
        }
        for one in stack.described()
    }
    assert {name for name, hosts in bound.items() if hosts} == {"host-ports", "admin-ports"}
    assert bound["admin-ports"] == {"127.0.0.1"}

    listed = operator(stack, "tokens", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert card.token_reference_id in listed.stdout
    suspended = operator(stack, "tokens", "suspend", card.token_reference_id, "--json")
    assert suspended.returncode == 0, suspended.stderr
    assert json.loads(suspended.stdout)

    async with stack.network() as met:
        assert (await met.checkout(card, "1.00 EUR")).response_code == "62"
