"""Card numbers, tokens and passwords are looked for in all that containers leave: logs, volumes, descriptions, traces.

It comes after payments, refusals, kills and replacements of the other files; it makes some mistakes of its own.
"""

import re
import subprocess
from pathlib import Path

import pytest
from canary import found, shapes
from stack import SERVICES, STORES, Stack, docker, service_of

from cardnet.card import luhn_digit
from cardnet.errors import Fault
from cardnet.money import Money
from cardnet.test_cards import test_card
from cardnet.testing import RemoteNetwork
from cardnet.v1.merchant_pb2 import CheckoutRequest, SaveCardRequest
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.v1.payment_pb2 import TokenData

PAID = [test_card(name).pan for name in ("approved", "approved-debit", "approved-jpy", "insufficient-funds")]
STRAY = "999900438246807" + luhn_digit("999900438246807")
"""Given where no card number belongs."""
PLANTED = "8642097531864209"
"""Put where it may be, so that the search is seen to find it."""

OWNER = {"shops": "merchant", "vault": "tsp", "ledger": "issuer"}
PLANT = (
    "import asyncio, sys; from pathlib import Path; from cardnet.store import Store\n"
    "url = Path('/run/cardnet/store/redis.url').read_text().strip()\n"
    "asyncio.run(Store(url, owner='test').command('SET', sys.argv[1] + ':planted', sys.argv[2]))\n"
)


async def test_nothing_secret_is_left_where_it_must_not_be(
    stack: Stack, network: RemoteNetwork, tmp_path: Path
) -> None:
    await _make_mistakes(network)
    traces = await _traces_of_payments(network)
    _plant(stack)
    contents = _left(stack, tmp_path) | {"traces": traces}
    tokens = set(re.findall(rb"token\r\n\$16\r\n([0-9]{16})", contents["shops"]))

    # The search sees: each place has in it what was put there, and what must be there.
    for place in ("logs", *STORES):
        assert "plain" in found(contents[place], shapes(PLANTED)), place
    assert b"detokenise" in contents["audit"]
    assert b"0012" in contents["traces"]
    assert b"10001:10001" in contents["descriptions"]
    assert tokens

    nowhere = {place: set() for place in contents}
    for number in (*PAID, STRAY):
        assert {place: found(content, shapes(number)) for place, content in contents.items()} == nowhere
    # Tokens are the shop's and the acquirer's to keep, and reversals that wait name one in the network's store.
    elsewhere = {place: content for place, content in contents.items() if place not in ("shops", "ledger")}
    for token in tokens:
        told = {place: found(content, shapes(token.decode())) for place, content in elsewhere.items()}
        assert told == {place: set() for place in elsewhere}
    for password in _passwords(stack):
        assert not [place for place, content in contents.items() if password in content]


async def _make_mistakes(network: RemoteNetwork) -> None:
    """A card number in wrong places, and cards that cannot be saved."""
    merchant = network.stub(MerchantStub, "merchant")
    wrong = TokenData(payment_token=STRAY, token_expiry="3011")
    for asking in (
        merchant.SaveCard(SaveCardRequest(customer_id="customer-2", encrypted_card=STRAY)),
        merchant.Checkout(CheckoutRequest(idempotency_key="k", token_data=wrong, amount_minor=1)),
        merchant.Checkout(CheckoutRequest(idempotency_key="k", card_on_file_id=STRAY, currency="840")),
        network.cardholder().save_card(STRAY, "3011"),
    ):
        with pytest.raises(Fault) as refused:
            await asking
        assert not found(repr(refused.value).encode(), shapes(STRAY))


async def _traces_of_payments(network: RemoteNetwork) -> bytes:
    card = await network.save_card("approved")
    payments = [await network.checkout(card, "0.01 USD") for _ in range(3)]
    refused = await network.cardholder().pay(card.id, Money.parse("12345.00 USD"), "too-much")
    assert refused.response_code == "51"
    return "\n".join(payment.trace.to_json() for payment in payments).encode()


def _plant(stack: Stack) -> None:
    for store, owner in OWNER.items():
        stack.execute(stack.ids(owner)[0], "python", "-c", PLANT, owner, PLANTED)
        assert stack.ids(store)
    stack.execute(stack.ids("host-ports")[0], "sh", "-c", f"echo {PLANTED} > /proc/1/fd/2")


def _left(stack: Stack, folder: Path) -> dict[str, bytes]:
    """Everything that is left lying about, by where it was found."""
    left = {"logs": b"", "descriptions": docker("inspect", *stack.ids()).encode()}
    for one in stack.described():
        said = subprocess.run(("docker", "logs", one["Id"]), check=True, capture_output=True)
        left["logs"] += said.stdout + said.stderr
        if service_of(one) in STORES:
            docker("cp", f"{one['Id']}:/data", str(folder / service_of(one)))
            files = [path for path in sorted((folder / service_of(one)).rglob("*")) if path.is_file()]
            assert [path for path in files if path.name.endswith(".incr.aof")]
            left[service_of(one)] = b"".join(path.read_bytes() for path in files)
    docker("cp", f"{stack.ids('tsp')[0]}:/var/lib/cardnet/tsp/audit", str(folder / "audit"))
    return left | {"audit": (folder / "audit").read_bytes()}


def _passwords(stack: Stack) -> list[bytes]:
    urls = [stack.execute(stack.ids(name)[0], "cat", "/run/cardnet/store/redis.url") for name in SERVICES]
    passwords = [url.split(":")[2].partition("@")[0].encode() for url in urls]
    assert all(len(password) >= 32 for password in passwords)
    return passwords
