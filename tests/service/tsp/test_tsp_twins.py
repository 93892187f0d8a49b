"""Two token service providers over one vault, as real processes: whichever is asked, the answer is one vault's."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from patience import AMPLE_S
from tsp_provider import ONE_TIME, WITH_CRYPTOGRAM, use
from twins import Asked, Twins, twins

from cardnet.cde.v1 import token_operator_pb2 as pb
from cardnet.cde.v1.token_vault_pb2 import (
    REFUSAL_CRYPTOGRAM_REPLAYED,
    REFUSAL_TOKEN_SUSPENDED,
    REFUSAL_USAGE_EXHAUSTED,
)
from cardnet.v1.token_pb2 import TOKEN_STATE_ACTIVE, TOKEN_STATE_SUSPENDED
from services.tsp.keyring import Purpose

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMES = 20


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Twins]:
    folder: Path = tmp_path_factory.mktemp("twins")
    async with twins(folder) as pair:
        yield pair


async def keys_of(asked: Asked) -> list[pb.Key]:
    return list((await asked.operator.ListKeys(pb.ListKeysRequest())).keys)


async def rotate(asked: Asked, purpose: Purpose) -> None:
    kek = secrets.token_hex(32) if purpose is Purpose.ENCRYPTION else ""
    request = pb.RotateKeyRequest(purpose=purpose.value, key_encryption_key=kek)  # type: ignore[arg-type]
    last = [progress async for progress in asked.operator.RotateKey(request)][-1]
    assert last.key.state == pb.KEY_STATE_PRIMARY


async def test_who_start_together_make_one_vault(pair: Twins) -> None:
    token = await pair.one.new_token()
    assert (await pair.other.vault.Detokenise(use(token))).pan
    keys = await keys_of(pair.one)
    assert {key.purpose for key in keys} == set(Purpose)  # the card's too, which takes its time to make
    assert await keys_of(pair.other) == keys


async def test_a_card_has_one_token_whoever_is_asked_for_it_at_once(pair: Twins) -> None:
    for _ in range(5):
        pan = pair.one.new_pan()
        tokens = await asyncio.gather(*(asked.request_token(pan) for asked in (pair.one, pair.other) * 4))
        assert len({token.payment_token for token in tokens}) == 1


async def test_what_is_suspended_at_the_one_is_refused_at_the_other(pair: Twins) -> None:
    token = await pair.one.new_token()
    for _ in range(TIMES):
        assert (await pair.other.vault.Detokenise(use(token))).pan
        assert await pair.one.change(token, TOKEN_STATE_SUSPENDED) == "00"
        assert (await pair.other.vault.Detokenise(use(token))).refusal == REFUSAL_TOKEN_SUSPENDED
        assert await pair.other.change(token, TOKEN_STATE_ACTIVE) == "00"
        assert (await pair.one.vault.Detokenise(use(token))).pan


async def test_a_one_time_token_that_is_used_at_both_at_once_pays_once(pair: Twins) -> None:
    for _ in range(TIMES):
        token = await pair.one.new_token(ONE_TIME)
        told = await asyncio.gather(*(asked.vault.Detokenise(use(token)) for asked in (pair.one, pair.other)))
        assert sorted(answer.refusal for answer in told) == [0, REFUSAL_USAGE_EXHAUSTED]


async def test_a_cryptogram_that_comes_to_both_at_once_is_good_once(pair: Twins) -> None:
    token = await pair.one.new_token(WITH_CRYPTOGRAM)
    for made_by, _ in zip(cycle((pair.one, pair.other)), range(TIMES), strict=False):
        cryptogram = (await made_by.request_cryptogram(token)).cryptogram
        told = await asyncio.gather(
            *(asked.vault.Detokenise(use(token, cryptogram)) for asked in (pair.one, pair.other))
        )
        assert sorted(answer.refusal for answer in told) == [0, REFUSAL_CRYPTOGRAM_REPLAYED]


async def test_the_same_transaction_at_both_at_once_is_one_use(pair: Twins) -> None:
    for _ in range(TIMES):
        token = await pair.other.new_token(ONE_TIME)
        asked = use(token)
        told = await asyncio.gather(*(one.vault.Detokenise(asked) for one in (pair.one, pair.other)))
        assert told[0].pan
        assert told[0] == told[1]


async def shopping(pair: Twins, over: asyncio.Event) -> int:
    """Save cards, have cryptograms made and use them, each step at another of the two."""
    paid = 0
    while not over.is_set():
        one, other = (pair.one, pair.other) if paid % 2 else (pair.other, pair.one)
        token = await one.new_token(WITH_CRYPTOGRAM)
        cryptogram = (await other.request_cryptogram(token)).cryptogram
        assert (await one.vault.Detokenise(use(token, cryptogram))).pan
        again = (await one.request_cryptogram(token)).cryptogram
        assert (await other.vault.Detokenise(use(token, again))).pan
        paid += 1
    return paid


async def meanwhile(pair: Twins, doing: Callable[[], Awaitable[None]]) -> None:
    """Do something while customers pay through both, none of whom may be refused."""
    over = asyncio.Event()
    customers = [asyncio.create_task(shopping(pair, over)) for _ in range(3)]
    try:
        await doing()
    finally:
        over.set()
    assert min(await asyncio.gather(*customers)) > 0


async def test_no_payment_through_either_fails_while_they_rotate_every_key_in_turn(pair: Twins) -> None:
    before = {key.purpose: key.number for key in await keys_of(pair.one)}

    async def all_keys() -> None:
        for purpose, asked in zip((*Purpose, Purpose.ENCRYPTION), cycle((pair.one, pair.other)), strict=False):
            await rotate(asked, purpose)

    await meanwhile(pair, all_keys)
    after = {key.purpose: key.number for key in await keys_of(pair.other)}
    expected = {purpose: number + 1 for purpose, number in before.items()}
    expected[pb.KEY_PURPOSE_ENCRYPTION] += 1  # by each of the two
    assert after == expected
    assert await keys_of(pair.one) == await keys_of(pair.other)


async def test_one_that_stood_still_while_keys_were_rotated_uses_the_new_ones(pair: Twins) -> None:
    token = await pair.one.new_token()
    pair.processes[1].pause()
    await rotate(pair.one, Purpose.DATA)  # which waits until the other counts as gone
    pair.processes[1].resume()
    late = await pair.other.new_token()
    assert (await pair.other.vault.Detokenise(use(token))).pan
    assert (await pair.one.vault.Detokenise(use(late))).pan


async def test_killing_the_one_during_load_fails_no_payment(pair: Twins) -> None:
    tokens: list[Any] = [await pair.one.new_token() for _ in range(8)]
    over = asyncio.Event()

    async def customer(token: Any) -> None:
        while not over.is_set():
            assert (await either.vault.Detokenise(use(token))).pan

    async with asyncio.timeout(AMPLE_S), pair.either() as either, asyncio.TaskGroup() as customers:
        for token in tokens:
            customers.create_task(customer(token))
        for process, other in zip(pair.processes, reversed(pair.ways), strict=True):
            await asyncio.gather(*(way.sees_answers() for way in pair.ways))  # both have been found, so one may go
            await process.kill()
            await other.sees_answers()
            await process.start()
        over.set()
