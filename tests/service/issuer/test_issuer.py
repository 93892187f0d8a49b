"""Authorisations and reversals as the issuer's neighbours meet them, with a real store."""

import asyncio
import re

import pytest
from issuer_bank import EUR, USD, Bank, merchant, purchase, repeated, tagged

from cardnet.cde.v1 import issuer_pb2 as pb
from cardnet.cde.v1.token_vault_pb2 import OnBehalfOfValidation
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import TimedOut, Unavailable
from cardnet.test_cards import test_card
from cardnet.v1.payment_pb2 import TransactionKey


async def test_an_approval_holds_the_amount(bank):
    pan = await bank.open(10_000)

    answer = await bank.issuer.Authorise(purchase(pan, 1_250))

    assert (answer.pan, answer.response_code) == (pan, "00")
    assert re.fullmatch("[A-Z0-9]{6}", answer.auth_code)
    assert await bank.stands(pan) == (8_750, 1_250, 1)


async def test_a_refusal_holds_nothing_and_has_no_auth_code(bank):
    pan = await bank.open(100)

    answer = await bank.issuer.Authorise(purchase(pan, 101))

    assert (answer.response_code, answer.auth_code) == ("51", "")
    assert await bank.stands(pan) == (100, 0, 0)


async def test_an_unknown_account_is_refused_and_a_repeat_is_too(bank):
    request = purchase(test_card("approved").pan)
    assert [await bank.authorise(request), await bank.authorise(request)] == ["14", "14"]


async def test_the_purchase_limit_holds_whatever_the_balance(bank):
    pan = await bank.open(10_000, purchase_limit_minor=500)
    assert [await bank.authorise(purchase(pan, 501)), await bank.authorise(purchase(pan, 500))] == ["61", "00"]


async def test_a_purchase_that_nobody_validated_is_a_security_violation(bank):
    pan = await bank.open(10_000)
    unvalidated = OnBehalfOfValidation.ON_BEHALF_OF_VALIDATION_NOT_PERFORMED
    assert await bank.authorise(purchase(pan, on_behalf_of_validation=unvalidated)) == "63"


async def test_32_purchases_for_the_last_money_approve_exactly_one(bank):
    pan = await bank.open(100)

    answers = await asyncio.gather(*(bank.authorise(purchase(pan, 100)) for _ in range(32)))

    assert sorted(answers) == ["00"] + ["51"] * 31
    assert await bank.stands(pan) == (0, 100, 1)


async def test_the_same_purchase_32_times_at_once_takes_one_hold_and_gets_the_same_bytes(bank):
    pan = await bank.open(10_000)
    data = purchase(pan, 100).SerializeToString()

    answers = await asyncio.gather(
        *(bank.link.call("/cardnet.cde.v1.Issuer/Authorise", data, {}, 25) for _ in range(32))
    )

    assert len(set(answers)) == 1
    assert await bank.stands(pan) == (9_900, 100, 1)


async def test_a_repeat_gets_its_first_answer_also_when_the_money_is_there_by_then(bank):
    pan = await bank.open(100)
    first, second = purchase(pan, 100), purchase(pan, 100)
    assert [await bank.authorise(first), await bank.authorise(second)] == ["00", "51"]

    await bank.reverse(first)

    assert await bank.authorise(second) == "51"
    assert await bank.stands(pan) == (100, 0, 0)


@pytest.mark.parametrize(
    "change",
    [{"amount_minor": 200}, {"currency": USD}, {"merchant": merchant("MERCHANT0000002")}],
    ids=["amount", "currency", "merchant"],
)
async def test_another_purchase_under_the_same_transaction_is_a_duplicate_without_effect(bank, change):
    pan = await bank.open(10_000)
    request = purchase(pan, 100)
    await bank.authorise(request)

    assert await bank.authorise(repeated(request, **change)) == "94"

    assert await bank.stands(pan) == (9_900, 100, 1)
    assert await bank.authorise(request) == "00"


async def test_a_reversal_gives_the_hold_back_once_however_often_it_comes(bank):
    pan = await bank.open(1_000)
    request = purchase(pan, 300)
    await bank.authorise(request)
    await bank.authorise(purchase(pan, 200))

    answers = await asyncio.gather(*(bank.reverse(request) for _ in range(16)))

    assert set(answers) == {"00"}
    assert await bank.stands(pan) == (800, 200, 1)
    assert await bank.authorise(request) == "68"


async def test_a_reversal_before_its_original_leaves_a_mark(bank):
    pan = await bank.open(1_000)
    request = purchase(pan, 300)

    assert [await bank.reverse(request), await bank.reverse(request)] == ["00", "00"]

    assert await bank.authorise(request) == "68"
    assert await bank.stands(pan) == (1_000, 0, 0)


async def test_a_reversal_and_its_original_at_once_end_with_no_hold(bank):
    pan = await bank.open(10_000)
    requests = [purchase(pan, 100) for _ in range(16)]

    answers = await asyncio.gather(*(call(one) for one in requests for call in (bank.authorise, bank.reverse)))

    assert set(answers) <= {"00", "68"}
    assert await bank.stands(pan) == (10_000, 0, 0)


@pytest.mark.parametrize(
    ("change", "answer"),
    [({"amount_minor": 299}, "64"), ({"currency": USD}, "25"), ({"amount_minor": 299, "currency": USD}, "25")],
)
async def test_a_reversal_that_differs_from_its_original_gives_nothing_back(bank, change, answer):
    pan = await bank.open(1_000)
    request = purchase(pan, 300)
    await bank.authorise(request)

    assert await bank.reverse(request, **change) == answer
    assert await bank.stands(pan) == (700, 300, 1)


async def test_another_acquirer_cannot_reverse_a_purchase(bank):
    pan = await bank.open(1_000)
    request = purchase(pan, 300)
    await bank.authorise(request)
    stranger = TransactionKey(acquirer_id="99990000009")
    stranger.MergeFrom(TransactionKey(stan=request.transaction.stan, transmission_time="1122093000"))
    stranger.rrn = request.transaction.rrn

    other = pb.ReverseRequest(transaction=stranger, pan=pan, amount_minor=300, currency=EUR)
    assert (await bank.issuer.Reverse(other)).response_code == "00"

    assert await bank.stands(pan) == (700, 300, 1)


async def test_a_silent_issuer_never_answers_and_holds_nothing(bank):
    pan = await bank.open(1_000, status=pb.ACCOUNT_STATUS_SILENT)
    request = purchase(pan)

    with pytest.raises(TimedOut):
        await bank.issuer.Authorise(request, timeout=0.05)

    assert await bank.reverse(request) == "00"
    assert await bank.stands(pan) == (1_000, 0, 0)


async def test_an_authorisation_costs_two_round_trips_to_the_store(bank, monkeypatch):
    pan = await bank.open(1_000)
    asked = []
    for name in ("call", "command"):
        real = getattr(bank.service.store, name)
        monkeypatch.setattr(bank.service.store, name, lambda *args, real=real: asked.append(args[0]) or real(*args))

    await bank.authorise(purchase(pan))

    assert asked == ["HGETALL", "issuer_take_hold"]


@pytest.mark.parametrize(("field", "value"), [("available", "nan"), ("held", "1e2"), ("holds", "0x10"), ("held", "")])
async def test_a_damaged_account_is_refused_and_left_as_it_is(bank, field, value):
    place = tagged(await bank.open(1_000))
    store = bank.service.store
    await store.command("HSET", f"{place}:account", field, value)
    before = await store.command("HGETALL", f"{place}:account")

    with pytest.raises(Unavailable, match="refuses"):
        await store.call("issuer_take_hold", (f"{place}:account", f"{place}:t"), ("00", "A", "100", "-100", EUR, "F"))

    assert await store.command("HGETALL", f"{place}:account") == before
    assert not await store.command("EXISTS", f"{place}:t")


@pytest.mark.parametrize("amount", ["nan", "1e2", "0x10", "", "-1", "1" * 13, "1\n"])
async def test_the_ledger_takes_no_amount_that_is_none(bank, amount):
    place = tagged(await bank.open(1_000))
    keys, store = (f"{place}:account", f"{place}:t"), bank.service.store

    for function, before, after in (("take", ("00", "A"), (EUR, "F")), ("release", (), (EUR,))):
        with pytest.raises(Unavailable, match="refuses"):
            await store.call(f"issuer_{function}_hold", keys, (*before, amount, f"-{amount}", *after))

    assert not await store.command("EXISTS", f"{place}:t")


async def test_without_its_store_the_issuer_approves_nothing_and_all_is_well_afterwards():
    with EmbeddedStore.start(None, ["issuer"]) as store:
        async with Bank(store) as bank:
            pan = await bank.open(1_000)
            await bank.authorise(purchase(pan, 100))
            request = purchase(pan, 200)

            store.kill()
            with pytest.raises(Unavailable):
                await bank.authorise(request)
            store.restart()

            assert await bank.stands(pan) == (900, 100, 1)
            assert await bank.authorise(request) == "00"
