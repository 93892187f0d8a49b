"""Rotation through the operator's calls, with requestors and the network asking at the same time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tsp_provider import PAN, WITH_CRYPTOGRAM, Provider, use

from cardnet.cde.v1 import token_operator_pb2 as pb
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import NotPermitted
from cardnet.store import Store
from cardnet.v1.token_service_pb2 import RequestTokenRequest
from services.tsp.keyring import Purpose

ALL = [purpose for purpose in Purpose if purpose is not Purpose.ENCRYPTION]


@pytest.fixture
async def own(store: EmbeddedStore, admin: Store) -> AsyncIterator[Provider]:  # noqa: ARG001 - admin empties it
    provider = Provider(store, cryptogram_key="")
    await provider.service.start()
    yield provider
    await provider.service.stop()


async def rotated(provider: Provider, purpose: Purpose) -> Any:
    request = pb.RotateKeyRequest(purpose=purpose.value)  # type: ignore[arg-type]
    return [progress async for progress in provider.operator.RotateKey(request)][-1]


async def test_no_authorisation_fails_while_every_key_is_rotated(own: Provider) -> None:
    strict, simple = await own.request_token(trid=WITH_CRYPTOGRAM), await own.request_token()
    waiting = await own.new_token(WITH_CRYPTOGRAM)  # one of which no 64 others are made meanwhile
    early = (await own.request_cryptogram(waiting)).cryptogram
    blob = await own.encrypted(PAN)
    going = True

    async def shop() -> int:
        paid = 0
        while going:
            made = (await own.request_cryptogram(strict)).cryptogram
            assert (await own.vault.Detokenise(use(strict, made))).pan == PAN
            assert (await own.vault.Detokenise(use(simple))).pan == PAN
            assert (await own.request_token()).payment_token == simple.payment_token
            paid += 2
        return paid

    shopping = [asyncio.create_task(shop()) for _ in range(3)]
    for purpose in ALL:
        last = await rotated(own, purpose)
        assert (last.key.purpose, last.key.number) == (purpose.value, 2)
    going = False
    assert min(await asyncio.gather(*shopping)) > 0

    # What was made under the keys of before still passes.
    assert (await own.vault.Detokenise(use(waiting, early))).pan
    request = RequestTokenRequest(token_requestor_id=WITH_CRYPTOGRAM, encrypted_card=blob)
    assert (await own.requestor.RequestToken(request)).payment_token == strict.payment_token
    keys = (await own.operator.ListKeys(pb.ListKeysRequest())).keys
    assert len([key for key in keys if key.state == pb.KEY_STATE_PRIMARY]) == len(Purpose)
    assert not {key.state for key in keys} - {pb.KEY_STATE_PRIMARY, pb.KEY_STATE_READING, pb.KEY_STATE_DESTROYED}


async def test_a_cryptogram_key_that_an_issuer_shares_is_not_rotated(tsp: Provider) -> None:
    with pytest.raises(NotPermitted) as fault:
        await rotated(tsp, Purpose.CRYPTOGRAM)
    assert fault.value.reason == "KEY_NOT_ROTATABLE"


async def test_the_registry_of_requestors_comes_along(own: Provider) -> None:
    domain = pb.Requestor(
        identity="merchant",
        merchant_ids=["MERCHANT0000001"],
        merchant_domain="second.example",
        pos_entry_modes=["POS_ENTRY_MODE_ECOMMERCE"],
        usage="TOKEN_USAGE_CARD_ON_FILE",  # type: ignore[arg-type]
    )
    request = pb.RegisterRequestorRequest(requestor=domain)
    registered = (await own.operator.RegisterRequestor(request)).requestor
    for _ in range(2):
        await rotated(own, Purpose.DATA)
    assert (await own.operator.RegisterRequestor(request)).requestor == registered
