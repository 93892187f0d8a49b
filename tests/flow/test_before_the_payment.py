"""Before step 1: where the token service provider sits, and how the shop comes to its tokens (A01 to A03)."""

from pathlib import Path

import pytest
from patience import STORE_TIMEOUT_S, patient
from shop import ON_FILE
from tap import Tap

from cardnet.cardholder import Cardholder
from cardnet.client import Channel
from cardnet.env import Env
from cardnet.steps import STEPS
from cardnet.store import Store
from cardnet.testing import TEST_CARDS, LocalNetwork
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest
from cardnet.v1.network_pb2 import RouteAuthorisationRequest
from cardnet.v1.token_service_pb2 import RequestTokenRequest, RequestTokenResponse
from cardnet.wire import GrpcLink

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = [card for card in TEST_CARDS if card.outcome.approved]


async def test_the_token_service_provider_may_sit_anywhere_and_is_found_by_its_address(tmp_path: Path) -> None:
    elsewhere = f"unix:{tmp_path}/third-party.sock"
    settings = {"tsp": {"listen": elsewhere}, "merchant": {"tsp": elsewhere}, "network": {"tsp": elsewhere}}
    async with LocalNetwork(settings=patient(settings)) as network:
        third_party = Channel(GrpcLink("tsp", elsewhere, network.presented("cardholder")), Env.of("test"), timeout_s=25)
        cardholder = Cardholder(network.channel("merchant"), third_party)
        card = await cardholder.save_card(GOOD[0].pan, GOOD[0].expiry)
        payment = await network.checkout(card, "12.40 USD")
        await third_party.close()
    assert payment.approved
    assert payment.steps == STEPS


async def test_the_shop_asks_for_its_tokens_itself_and_never_gets_a_pan(network: LocalNetwork, tap: Tap) -> None:
    cards = [await network.save_card(card) for card in GOOD]

    requests = tap.all(RequestTokenRequest)
    assert {request.token_requestor_id for request in requests} == {ON_FILE}
    assert len(requests) == len({card.id for card in cards}) == len(GOOD)
    edge = tap.at_the_edge()
    assert not [card.name for card in GOOD if card.pan.encode() in edge]


async def test_what_the_shop_has_on_file_is_tokens_alone(network: LocalNetwork, tap: Tap) -> None:
    for card in GOOD:
        await network.save_card(card)

    kept = await everything_in(network, "merchant:*")
    for issued in tap.all(RequestTokenResponse):
        assert issued.payment_token.encode() in kept
    assert not [card.name for card in GOOD if card.pan.encode() in kept]


async def test_every_later_payment_uses_token_and_token_expiry(network: LocalNetwork, tap: Tap) -> None:
    card = await network.open_account()
    on_file = await network.save_card(card)
    issued = tap.only(RequestTokenResponse)
    assert issued.payment_token != card.pan
    assert issued.token_expiry != card.expiry

    for amount in ("1.00 USD", "2.00 USD", "3.00 USD"):
        assert (await network.checkout(on_file, amount)).approved

    sent = tap.all(SubmitPaymentRequest) + tap.all(RouteAuthorisationRequest)
    used = {(message.token_data.payment_token, message.token_data.token_expiry) for message in sent}
    assert len(sent) == 6
    assert used == {(issued.payment_token, issued.token_expiry)}
    assert card.pan.encode() not in tap.at_the_edge()


async def everything_in(network: LocalNetwork, pattern: str) -> bytes:
    """All keys and values of a service's store."""
    assert network.store
    admin = Store(network.store.admin_url, owner="test", timeout_s=STORE_TIMEOUT_S)
    kept = []
    for key in await admin.command("KEYS", pattern):
        kind = await admin.command("TYPE", key)
        value = await (admin.command("HGETALL", key) if kind == b"hash" else admin.command("DUMP", key))
        kept.append(key + repr(value).encode())
    await admin.close()
    assert kept
    return b"\n".join(kept)
