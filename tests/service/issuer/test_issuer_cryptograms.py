"""Cryptograms that are left to the issuer (conformance A46)."""

import asyncio
from datetime import date

import pytest
from issuer_bank import CRYPTOGRAM_KEY, EUR, LEFT_TO_ISSUER, TOKEN, USD, Bank, purchase, repeated

from cardnet import cryptogram
from cardnet.card import PaymentToken
from cardnet.cde.v1 import issuer_pb2 as pb


def with_cryptogram(pan: str, atc: int, **changes: object) -> pb.AuthoriseRequest:
    """A purchase whose cryptogram is left to the issuer and right, unless a change makes it wrong."""
    request = purchase(pan, on_behalf_of_validation=LEFT_TO_ISSUER)
    bound = cryptogram.Purchase(100, EUR, "392", request.token_requestor_id, "shop.example", "MERCHANT0000001")
    bound = bound._replace(**{name: changes.pop(name) for name in bound._fields if name in changes})
    key = cryptogram.CryptogramKey(bytes.fromhex(str(changes.pop("key", CRYPTOGRAM_KEY))), changes.pop("index", 1))
    day = changes.pop("day", date(2026, 11, 22))
    request.cryptogram = key.make(PaymentToken(TOKEN), atc, b"4321", bound, day)
    return repeated(request, **changes)


@pytest.fixture
async def keyed_bank(store):
    """An issuer that validates cryptograms itself."""
    async with Bank(store, cryptogram_key=CRYPTOGRAM_KEY) as running:
        yield running


async def test_a_right_cryptogram_that_is_left_to_the_issuer_is_good_for_one_purchase(keyed_bank):
    pan = await keyed_bank.open(1_000)
    first, second = with_cryptogram(pan, atc=1), with_cryptogram(pan, atc=1)

    assert [await keyed_bank.authorise(one) for one in (first, first, second)] == ["00", "00", "82"]
    assert await keyed_bank.stands(pan) == (900, 100, 1)
    assert await keyed_bank.authorise(with_cryptogram(pan, atc=2)) == "00"


async def test_one_cryptogram_32_times_at_once_passes_exactly_once(keyed_bank):
    pan = await keyed_bank.open(10_000)

    answers = await asyncio.gather(*(keyed_bank.authorise(with_cryptogram(pan, atc=1)) for _ in range(32)))

    assert sorted(answers) == ["00"] + ["82"] * 31
    assert await keyed_bank.stands(pan) == (9_900, 100, 1)


async def test_a_cryptogram_is_used_up_by_a_purchase_that_there_is_no_money_for(keyed_bank):
    pan = await keyed_bank.open(50)
    assert [await keyed_bank.authorise(with_cryptogram(pan, atc=1)) for _ in range(2)] == ["51", "82"]


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 99},
        {"currency": USD},
        {"country": "840"},
        {"token_requestor_id": "00000000002"},
        {"merchant_domain": "shop.invalid"},
        {"merchant_id": "MERCHANT0000002"},
        {"payment_token": "9999400000000022"},
        {"key": "22" * 16},
        {"index": 2},
        {"day": date(2026, 11, 20)},
        {"cryptogram": "A" * 27 + "="},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_cryptogram_of_something_else_fails_and_uses_nothing_up(keyed_bank, change):
    pan = await keyed_bank.open(1_000)

    assert await keyed_bank.authorise(with_cryptogram(pan, atc=1, **change)) == "82"

    assert await keyed_bank.stands(pan) == (1_000, 0, 0)
    assert await keyed_bank.authorise(with_cryptogram(pan, atc=1)) == "00"


async def test_a_purchase_without_cryptogram_passes_where_the_token_service_provider_wants_none(keyed_bank):
    pan = await keyed_bank.open(1_000)
    assert await keyed_bank.authorise(purchase(pan, on_behalf_of_validation=LEFT_TO_ISSUER)) == "00"


async def test_an_issuer_without_keys_cannot_answer_for_a_cryptogram(bank):
    pan = await bank.open(1_000)
    assert await bank.authorise(with_cryptogram(pan, atc=1)) == "96"
