"""Who decided, read from the traces of real payments: every negative path, and the cards that bring an outcome."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from leap import leaping
from patience import patient

from cardnet.env import Env
from cardnet.stage import Stage
from cardnet.testing import LocalNetwork
from cardnet.traces.checks import checks_of
from cardnet.traces.verdict import verdict_of
from cardnet.triggers import TRIGGERS, Trigger

pytestmark = pytest.mark.asyncio(loop_scope="module")

BY_TRIGGER = {
    "step-up": (4, "tsp", "payment_token"),
    "step-up-passed": (6, "issuer", ""),
    "tsp-unavailable": (7, "network", ""),
    "token-suspended": (4, "tsp", "payment_token"),
    "token-deleted": (4, "tsp", "payment_token"),
    "token-expired": (4, "tsp", "token_expiry"),
    "card-replaced": (6, "issuer", ""),
    "pan-expired": (6, "issuer", "pan_expiry"),
    "cryptogram-wrong": (4, "tsp", "cryptogram"),
    "cryptogram-replayed": (4, "tsp", "cryptogram"),
    "cryptogram-expired": (4, "tsp", "cryptogram"),
    "cryptogram-missing": (4, "tsp", "cryptogram"),
    "wrong-merchant": (4, "tsp", "merchant_id"),
    "wrong-requestor": (4, "tsp", "token_requestor_id"),
    "wrong-entry-mode": (4, "tsp", "pos_entry_mode"),
    "usage-exhausted": (4, "tsp", "payment_token"),
}
BY_CARD = {
    "approved": (6, "issuer", ""),
    "insufficient-funds": (6, "issuer", "amount_minor"),
    "over-limit": (6, "issuer", "amount_minor"),
    "expired": (6, "issuer", "pan_expiry"),
    "lost": (6, "issuer", "pan"),
    "stolen": (6, "issuer", "pan"),
    "blocked": (6, "issuer", "pan"),
    "do-not-honour": (6, "issuer", "pan"),
    "issuer-down": (7, "network", ""),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def judged() -> AsyncIterator[LocalNetwork]:
    """Its clock can be moved, and time leaps where an issuer of which nothing ever comes is waited for."""
    with leaping():
        async with LocalNetwork(in_process=True, clock="simulated", settings=patient()) as network:
            yield network


@pytest.mark.parametrize("trigger", [one for one in TRIGGERS if one.pays], ids=lambda one: one.name)
async def test_every_negative_path_names_step_service_and_field(judged: LocalNetwork, trigger: Trigger) -> None:
    scene = await trigger.play(Stage(judged.channel, Env.of("test"), judged.advance))
    trace = await judged.trace(scene.trace_id)
    verdict = verdict_of(trace)
    assert verdict
    assert (verdict.step, verdict.service, verdict.field) == BY_TRIGGER[trigger.name]
    results = [check.result for check in checks_of(trace)]
    assert results.count("refused") == (verdict.service == "tsp")


@pytest.mark.parametrize("card", BY_CARD)
async def test_a_test_card_names_what_its_issuer_looked_at(judged: LocalNetwork, card: str) -> None:
    payment = await judged.checkout(await judged.save_card(card), "12.40 USD")
    assert payment.verdict
    assert (payment.verdict.step, payment.verdict.service, payment.verdict.field) == BY_CARD[card]
    assert payment.steps[5].changed("DE2")
    assert payment.saw_pan == ("network", "tsp", "issuer")


async def test_the_answer_to_a_checkout_that_came_before_is_the_merchants_word(judged: LocalNetwork) -> None:
    card, again = await judged.save_card("approved"), "4bf92f3577b34da6a3ce929d0e0e4736"
    await judged.checkout(card, "12.40 USD", key="once")
    await judged.checkout(card, "12.40 USD", key="once", traceparent=f"00-{again}-00f067aa0ba902b7-01")
    trace = await judged.trace(again)
    assert trace.numbers() == [1, 9]
    verdict = verdict_of(trace)
    assert verdict
    assert (verdict.step, verdict.service, verdict.field) == (9, "merchant", "idempotency_key")


async def test_a_payment_to_a_closed_shop_is_refused_by_the_acquirer() -> None:
    settings = patient({"merchant": {"merchant_id": "MERCHANT0000003"}})
    async with LocalNetwork(in_process=True, settings=settings) as network:
        payment = await network.checkout(await network.save_card("approved"), "12.40 USD")
    assert payment.verdict
    assert (payment.verdict.step, payment.verdict.service, payment.verdict.field) == (8, "acquirer", "merchant_id")
    assert payment.verdict.iso8583 == 42
