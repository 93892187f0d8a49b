"""What a cryptogram binds the amount to: exactly, at the most, or not at all (standards dossier, 5.4)."""

import base64
from typing import Any

import pytest
from tsp_provider import WITH_CRYPTOGRAM, Provider, merchant, started, use

from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InvalidField
from cardnet.v1.token_service_pb2 import (
    AMOUNT_BINDING_EXACT,
    AMOUNT_BINDING_MAXIMUM,
    AMOUNT_BINDING_NONE,
    AMOUNT_BINDING_UNSPECIFIED,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

GREATEST = 999_999_999_999
UNBOUND, EXACT, MAXIMUM, NONE = (
    AMOUNT_BINDING_UNSPECIFIED,
    AMOUNT_BINDING_EXACT,
    AMOUNT_BINDING_MAXIMUM,
    AMOUNT_BINDING_NONE,
)
WRONG = pb.REFUSAL_CRYPTOGRAM_WRONG


async def made(tsp: Provider, token: Any, binding: int, amount_minor: int = 1250) -> str:
    answer = await tsp.request_cryptogram(token, amount_minor=amount_minor, amount_binding=binding)
    return str(answer.cryptogram)


@pytest.mark.parametrize(
    ("binding", "paid", "refusal"),
    [
        (UNBOUND, 1249, WRONG),
        (UNBOUND, 1250, 0),
        (UNBOUND, 1251, WRONG),
        (EXACT, 1, WRONG),
        (EXACT, 1249, WRONG),
        (EXACT, 1250, 0),
        (EXACT, 1251, WRONG),
        (MAXIMUM, 1, 0),
        (MAXIMUM, 1249, 0),
        (MAXIMUM, 1250, 0),
        (MAXIMUM, 1251, WRONG),
        (MAXIMUM, GREATEST, WRONG),
        (NONE, 1, 0),
        (NONE, 1250, 0),
        (NONE, GREATEST, 0),
    ],
)
async def test_the_amount_is_held_to_what_the_cryptogram_binds(
    shared: Provider, binding: int, paid: int, refusal: int
) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    cryptogram = await made(shared, token, binding)

    card = await shared.vault.Detokenise(use(token, cryptogram, amount_minor=paid))

    assert (card.refusal, card.response_code) == ((refusal, "82") if refusal else (0, ""))
    assert bool(card.pan) is not bool(refusal)


@pytest.mark.parametrize("binding", [EXACT, MAXIMUM, NONE])
@pytest.mark.parametrize(
    "changes", [{"currency": "978"}, {"merchant": merchant(merchant_country="392")}], ids=["currency", "country"]
)
async def test_currency_and_country_are_bound_whatever_the_amount_is(
    shared: Provider, binding: int, changes: dict[str, Any]
) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    cryptogram = await made(shared, token, binding)

    assert (await shared.vault.Detokenise(use(token, cryptogram, **changes))).refusal == WRONG


@pytest.mark.parametrize("binding", [EXACT, MAXIMUM, NONE])
async def test_a_cryptogram_is_good_for_one_payment_however_it_binds(shared: Provider, binding: int) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    cryptogram = await made(shared, token, binding)
    assert (await shared.vault.Detokenise(use(token, cryptogram))).pan

    card = await shared.vault.Detokenise(use(token, cryptogram))

    assert (card.refusal, card.response_code, card.pan) == (pb.REFUSAL_CRYPTOGRAM_REPLAYED, "82", "")


@pytest.mark.parametrize("binding", [EXACT, MAXIMUM, NONE])
async def test_a_repeat_of_the_payment_may_use_its_cryptogram_again_however_it_binds(
    shared: Provider, binding: int
) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    asked = use(token, await made(shared, token, binding), amount_minor=1250)
    first = await shared.vault.Detokenise(asked)

    assert first.pan
    assert await shared.vault.Detokenise(asked) == first


@pytest.mark.parametrize("aip", [0x00, 0x40, 0x80, 0xC0])
@pytest.mark.parametrize("binding", [EXACT, MAXIMUM, NONE])
async def test_the_binding_that_a_cryptogram_tells_cannot_be_rewritten(
    shared: Provider, binding: int, aip: int
) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    container = bytearray(base64.b64decode(await made(shared, token, binding)))
    same = container[16] == aip
    container[16] = aip
    rewritten = base64.b64encode(container).decode()

    # Of the very amount that the cryptogram was made for.
    card = await shared.vault.Detokenise(use(token, rewritten))

    assert bool(card.pan) is same
    assert card.refusal in ((0,) if same else (WRONG, pb.REFUSAL_CRYPTOGRAM_FORMAT))


async def test_a_limit_belongs_to_its_own_cryptogram(shared: Provider) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    small, great = await made(shared, token, MAXIMUM, 1000), await made(shared, token, MAXIMUM, 5000)
    borrowed = bytearray(base64.b64decode(small))
    borrowed[9:11] = base64.b64decode(great)[9:11]  # the counter

    for cryptogram in (small, base64.b64encode(borrowed).decode()):
        card = await shared.vault.Detokenise(use(token, cryptogram, amount_minor=3000))
        assert card.refusal == WRONG
    assert (await shared.vault.Detokenise(use(token, great, amount_minor=3000))).pan
    assert (await shared.vault.Detokenise(use(token, small, amount_minor=1000))).pan


async def test_a_maximum_cannot_be_asked_for_where_the_issuer_validates(spare: EmbeddedStore) -> None:
    async with started(spare, cryptogram_validation="issuer") as tsp:
        token = await tsp.new_token(WITH_CRYPTOGRAM)
        with pytest.raises(InvalidField, match="amount_binding"):
            await made(tsp, token, MAXIMUM)
        for binding in (EXACT, NONE):
            assert await made(tsp, token, binding)
