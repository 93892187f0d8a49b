"""The use of cryptograms: once, for what they were made for, and in time."""

import asyncio
import base64
from datetime import timedelta
from typing import Any

import pytest
from tsp_provider import ON_FILE, PAN, START, WITH_CRYPTOGRAM, Provider, keys_of, merchant, use

from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.config import SettingMissing
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import KeyReused
from cardnet.store import Store
from cardnet.v1 import token_service_pb2


async def test_a_cryptogram_used_thirty_two_times_at_once_passes_once(tsp: Provider, strict: Any) -> None:
    made = (await tsp.request_cryptogram(strict)).cryptogram
    cards = await asyncio.gather(*(tsp.vault.Detokenise(use(strict, made)) for _ in range(32)))
    told = [card for card in cards if card.pan]
    assert len(told) == 1
    assert {card.refusal for card in cards if not card.pan} == {pb.REFUSAL_CRYPTOGRAM_REPLAYED}


async def test_a_repeat_of_the_transaction_may_use_its_cryptogram_again(tsp: Provider, strict: Any) -> None:
    asked = use(strict, (await tsp.request_cryptogram(strict)).cryptogram)
    first = await tsp.vault.Detokenise(asked)
    assert first.pan == PAN
    tsp.clock.advance(timedelta(minutes=16))
    assert await tsp.vault.Detokenise(asked) == first


async def test_the_name_of_a_transaction_cannot_come_with_another_body(tsp: Provider, token: Any) -> None:
    asked = use(token)
    await tsp.vault.Detokenise(asked)
    with pytest.raises(KeyReused):
        await tsp.vault.Detokenise(use(token, transaction=asked.transaction, amount_minor=1))


async def test_payments_that_overtake_one_another_all_pass(tsp: Provider, strict: Any) -> None:
    made = [(await tsp.request_cryptogram(strict)).cryptogram for _ in range(10)]
    for one in reversed(made):
        assert (await tsp.vault.Detokenise(use(strict, one))).pan == PAN


@pytest.mark.parametrize(("seconds", "refusal"), [(900, 0), (901, pb.REFUSAL_CRYPTOGRAM_EXPIRED)])
async def test_a_cryptogram_is_good_for_fifteen_minutes_also_over_midnight(
    tsp: Provider, strict: Any, seconds: int, refusal: int
) -> None:
    made = (await tsp.request_cryptogram(strict)).cryptogram
    tsp.clock.advance(timedelta(seconds=seconds))
    assert tsp.clock.now().date() > START.date()
    assert (await tsp.vault.Detokenise(use(strict, made))).refusal == refusal


async def test_sixty_four_unused_cryptograms_are_remembered(tsp: Provider, strict: Any) -> None:
    made = [(await tsp.request_cryptogram(strict)).cryptogram for _ in range(65)]
    cards = [await tsp.vault.Detokenise(use(strict, one)) for one in made]
    assert [card.refusal for card in cards] == [pb.REFUSAL_CRYPTOGRAM_REPLAYED, *[0] * 64]


async def test_a_token_can_have_65535_cryptograms(tsp: Provider, strict: Any, admin: Store) -> None:
    await tsp.request_cryptogram(strict)
    (counters,) = await keys_of(admin, "*:cryptograms")
    await admin.command("HSET", counters, "last", "65534")
    last = await tsp.request_cryptogram(strict)
    assert (await tsp.vault.Detokenise(use(strict, last.cryptogram))).pan == PAN
    refused = await tsp.request_cryptogram(strict)
    assert refused == token_service_pb2.RequestCryptogramResponse(response_code="82")


async def test_a_cryptogram_is_made_for_a_merchant_in_the_domain_and_the_tokens_requestor_alone(
    tsp: Provider, strict: Any
) -> None:
    foreign = merchant(merchant_id="MERCHANT0000002")
    assert (await tsp.request_cryptogram(strict, merchant=foreign)).response_code == "57"
    assert (await tsp.request_cryptogram(strict, trid=ON_FILE)).response_code == "14"
    assert (await tsp.request_cryptogram(strict, payment_token="9999400000000014")).response_code == "14"


async def test_the_issuer_validates_the_cryptogram_where_it_is_left_to_it(store: EmbeddedStore, admin: Store) -> None:
    tsp = Provider(store, cryptogram_validation="issuer")
    await tsp.service.start()
    strict = await tsp.request_token(trid=WITH_CRYPTOGRAM)
    made = (await tsp.request_cryptogram(strict)).cryptogram
    card = await tsp.vault.Detokenise(use(strict, made, amount_minor=9999))
    assert card.on_behalf_of_validation == pb.ON_BEHALF_OF_VALIDATION_CRYPTOGRAM_LEFT_TO_ISSUER
    assert pb.CONTROL_CRYPTOGRAM not in card.controls_passed
    assert (await tsp.vault.Detokenise(use(strict))).refusal == pb.REFUSAL_CRYPTOGRAM_MISSING
    unread = base64.b64encode(bytes(20)).decode()
    assert (await tsp.vault.Detokenise(use(strict, unread))).refusal == pb.REFUSAL_CRYPTOGRAM_FORMAT
    await tsp.service.stop()


def test_nobody_else_can_be_named_to_validate(store: EmbeddedStore) -> None:
    with pytest.raises(SettingMissing, match="must be tsp or issuer"):
        Provider(store, cryptogram_validation="nobody")
