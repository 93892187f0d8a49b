"""The registry of Token Requestors: who gets which identifier, and that nobody widens a domain behind our back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tsp_provider import ON_FILE, Provider

from cardnet.errors import InvalidField, NotPermitted, Unavailable
from cardnet.store import Store
from services.tsp.domain import Domain, EntryMode, Location, Requestor, Usage
from services.tsp.requestors import REQUESTORS, Requestors, Webhook

SHOP = Requestor(
    "",
    "other-merchant",
    Domain(
        merchant_ids=frozenset({"MERCHANT0000002", "MERCHANT0000003"}),
        merchant_domain="other-shop.example",
        entry_modes=frozenset({EntryMode.ECOMMERCE}),
        cryptogram_required=True,
        usage=Usage.RECURRING,
    ),
    Location.SHARED,
)
NEXT, NEXT_BUT_ONE = "00000000007", "00000000008"
HOOK = Webhook("https://other-shop.example/tokens", "0f" * 32)
REGISTERED, WEBHOOKS = "tsp:{requestors}:registered", "tsp:{requestors}:webhooks"


def shop(number: int) -> Requestor:
    """A requestor with a domain of its own."""
    return replace(SHOP, domain=replace(SHOP.domain, merchant_domain=f"shop-{number}.example"))


@pytest.fixture
async def registry(tsp: Provider) -> AsyncIterator[Requestors]:
    yield another(tsp)


def another(tsp: Provider) -> Requestors:
    """The registry as one more process of the same service has it."""
    handler, *_ = tsp.service.admin._methods["/cardnet.cde.v1.TokenOperator/ListRequestors"]
    ours: Any = handler.__self__._requestors
    return Requestors(ours._store, ours._keys)


async def test_six_requestors_are_there_from_the_start(registry: Requestors) -> None:
    assert tuple(await registry.all()) == REQUESTORS
    assert [requestor.token_requestor_id for requestor in REQUESTORS] == [f"{n:011}" for n in range(1, 7)]
    assert await registry.registered_to("other-merchant") == {"00000000003"}
    usages = [requestor.domain.usage for requestor in REQUESTORS[3:5]]
    assert usages == [Usage.ONE_TIME, Usage.RECURRING]
    assert REQUESTORS[3].location is Location.TEMPORARY
    assert REQUESTORS[5].identity == "wallet"
    assert not REQUESTORS[5].domain.merchant_ids  # its tokens pay nowhere


async def test_a_new_requestor_gets_the_next_identifier_and_is_known_to_every_process(
    tsp: Provider, registry: Requestors
) -> None:
    registered = await registry.register(SHOP)
    assert registered == replace(SHOP, token_requestor_id=NEXT)
    for process in (registry, another(tsp)):
        assert await process.find(NEXT) == registered
        assert (await process.all())[-1] == registered
        assert await process.registered_to("other-merchant") == {"00000000003", NEXT}


async def test_a_requestors_country_is_kept(tsp: Provider, registry: Requestors) -> None:
    await registry.register(replace(SHOP, merchant_country="276"))
    assert (await another(tsp).registered(NEXT, "other-merchant")).merchant_country == "276"


async def test_the_same_party_and_domain_keep_their_identifier(tsp: Provider, registry: Requestors) -> None:
    await registry.register(SHOP)
    assert (await another(tsp).register(SHOP)).token_requestor_id == NEXT
    assert (await registry.register(replace(SHOP, identity="merchant"))).token_requestor_id == NEXT_BUT_ONE
    assert await registry.register(replace(REQUESTORS[0], token_requestor_id="")) == REQUESTORS[0]


async def test_all_who_register_at_once_get_an_identifier_each(tsp: Provider) -> None:
    processes = [another(tsp) for _ in range(8)]
    asked = [shop(number // 2) for number in range(16)]  # each of eight twice
    registered = await asyncio.gather(*(processes[n % 8].register(one) for n, one in enumerate(asked)))
    assert [one.domain for one in registered] == [one.domain for one in asked]
    assert {one.token_requestor_id for one in registered} == {f"{n:011}" for n in range(7, 15)}
    assert [one.token_requestor_id for one in registered[::2]] == [one.token_requestor_id for one in registered[1::2]]


async def test_who_loses_an_identifier_to_another_draws_the_next(tsp: Provider, registry: Requestors) -> None:
    call, outstanding = tsp.service.store.call, [shop(1)]

    async def call_after_another(function: str, *rest: Any) -> Any:
        if outstanding and function == "tsp_claim":  # what tends the keys calls the store as well
            assert (await another(tsp).register(outstanding.pop())).token_requestor_id == NEXT
        return await call(function, *rest)

    tsp.service.store.call = call_after_another  # type: ignore[method-assign]
    assert (await registry.register(shop(2))).token_requestor_id == NEXT_BUT_ONE
    assert (await registry.find(NEXT)).domain == shop(1).domain  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "identity", ["nobody", "network", "operator", "Merchant", "merchants", "other-merchant-x", "-merchant"]
)
async def test_only_a_merchant_can_be_a_requestor(registry: Requestors, identity: str) -> None:
    with pytest.raises(InvalidField, match="must be a merchant's: merchant, or a name that ends in -merchant") as fault:
        await registry.register(replace(SHOP, identity=identity))
    assert fault.value.field == "requestor.identity"
    assert identity not in fault.value.sentence.split(", ")


async def test_an_identifier_of_somebody_else_and_one_of_nobody_are_refused_alike(registry: Requestors) -> None:
    assert (await registry.registered(ON_FILE, "merchant")).token_requestor_id == ON_FILE
    faults = []
    for trid in (ON_FILE, "00000000099"):
        with pytest.raises(NotPermitted) as fault:
            await registry.registered(trid, "other-merchant")
        faults.append((fault.value.reason, fault.value.sentence))
    assert faults[0] == faults[1]


@pytest.mark.parametrize("key", [REGISTERED, WEBHOOKS])
async def test_a_row_that_was_altered_or_put_in_anothers_place_is_not_believed(
    tsp: Provider, registry: Requestors, admin: Store, key: str
) -> None:
    for number in range(2):
        registered = await registry.register(shop(number))
        await registry.set_webhook(registered.token_requestor_id, *HOOK)
    ours, theirs = await admin.command("HGET", key, NEXT), await admin.command("HGET", key, NEXT_BUT_ONE)
    altered = ours[:-1] + bytes([ours[-1] ^ 1])
    for row in (altered, theirs, b"", ours[:3]):
        await admin.command("HSET", key, NEXT, row)
        fresh = another(tsp)
        with pytest.raises(Unavailable):
            await (fresh.find(NEXT) if key == REGISTERED else fresh.webhook_of(NEXT))


async def test_the_store_tells_neither_domains_nor_secrets(registry: Requestors, admin: Store) -> None:
    await registry.register(SHOP)
    await registry.set_webhook(NEXT, *HOOK)
    rows = str([await admin.command("HGETALL", key) for key in (REGISTERED, WEBHOOKS)])
    for secret in ("MERCHANT0000002", "other-shop.example", HOOK.secret, "other-merchant"):
        assert secret not in rows


async def test_a_webhook_is_set_changed_and_taken_away(tsp: Provider, registry: Requestors) -> None:
    assert await registry.webhook_of(ON_FILE) is None
    assert await registry.set_webhook(ON_FILE, *HOOK)
    assert await another(tsp).webhook_of(ON_FILE) == HOOK
    other = Webhook("https://shop.example/hook", "1e" * 32)
    assert await registry.set_webhook(ON_FILE, *other)
    assert await registry.webhook_of(ON_FILE) == other
    assert await registry.set_webhook(ON_FILE, "", "")
    assert await registry.webhook_of(ON_FILE) is None
    assert not await registry.set_webhook(NEXT, *HOOK)


async def test_rows_are_sealed_anew_and_say_the_same(tsp: Provider, registry: Requestors, admin: Store) -> None:
    registered = await registry.register(SHOP)
    await registry.set_webhook(NEXT, *HOOK)
    before = [await admin.command("HGET", key, NEXT) for key in (REGISTERED, WEBHOOKS)]
    await registry.reseal()
    after = [await admin.command("HGET", key, NEXT) for key in (REGISTERED, WEBHOOKS)]
    assert all(old != new for old, new in zip(before, after, strict=True))
    fresh = another(tsp)
    assert await fresh.find(NEXT) == registered
    assert await fresh.webhook_of(NEXT) == HOOK
