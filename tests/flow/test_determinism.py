"""With a seed and a stopped clock everything that a test can see repeats, wherever the services run."""

import json
from typing import Any

import pytest
import pytest_asyncio
from patience import patient
from shop import PRICE, Shop

from cardnet.testing import LocalNetwork
from cardnet.v1.merchant_pb2 import CheckoutRequest
from cardnet.v1.merchant_pb2_grpc import MerchantStub

pytestmark = pytest.mark.asyncio(loop_scope="module")

FROZEN_AT = "2026-01-15T09:00:00Z"
CARDS = ("approved", "approved-debit", "expired", "suspended-token")


async def everything_seen(seed: str, *, in_process: bool) -> dict[str, Any]:
    """What a user can get out of a fresh network: tokens, identifiers, answers and traces."""
    seen: dict[str, Any] = {}
    async with LocalNetwork(in_process=in_process, seed=seed, frozen_at=FROZEN_AT, settings=patient()) as network:
        opened = await network.open_account()
        seen["opened"] = opened.pan
        seen["token"] = (await Shop(network).token(opened)).SerializeToString(deterministic=True).hex()
        for name in (*CARDS, opened):
            on_file = await network.save_card(name)
            payment = await network.checkout(on_file, PRICE)
            key = name if isinstance(name, str) else name.name
            facts = (payment.response_code, payment.notice, payment.auth_code, payment.rrn, payment.pan_last_four)
            seen[key] = [repr(on_file), facts, json.loads(payment.trace.to_json())]
            seen[f"{key} again"] = (await answer_to(network, on_file.id)).hex()
        seen["balance"] = str(await network.balance(opened))
    return seen


async def answer_to(network: LocalNetwork, card_on_file_id: str) -> bytes:
    request = CheckoutRequest(
        idempotency_key=card_on_file_id, card_on_file_id=card_on_file_id, amount_minor=100, currency="840"
    )
    answer = await network.stub(MerchantStub, "merchant").Checkout(request)
    return bytes(answer.SerializeToString(deterministic=True))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen() -> dict[str, Any]:
    return await everything_seen("7", in_process=True)


@pytest.mark.parametrize("in_process", [True, False], ids=["in_process", "processes"])
async def test_a_seed_and_a_stopped_clock_repeat_everything(seen: dict[str, Any], in_process: bool) -> None:
    again = await everything_seen("7", in_process=in_process)

    for what, facts in seen.items():
        assert again.pop(what) == facts
    assert not again


@pytest.mark.parametrize("seed", ["8", ""], ids=["another seed", "no seed"])
async def test_without_the_same_seed_tokens_and_identifiers_differ(seen: dict[str, Any], seed: str) -> None:
    other = await everything_seen(seed, in_process=True)

    assert [what for what, facts in seen.items() if other[what] == facts] == ["balance"]
    trace_ids = {run[name][2]["trace_id"] for run in (seen, other) for name in CARDS}
    assert len(trace_ids) == 2 * len(CARDS)
