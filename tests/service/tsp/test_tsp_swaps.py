"""Somebody writes in the store: no wrong card is ever told, and no altered record is used (attacks T9 and T10)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
import pytest_asyncio
from meddler import IN_CARDS, WAYS, Fields, Meddler, Victim, lead_astray
from patience import STORE_TIMEOUT_S
from tsp_provider import ON_FILE, OTHERS, RECURRING, Provider, merchant, started, use

from cardnet.card import Pan, PaymentToken
from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Unavailable
from cardnet.store import Store
from cardnet.v1.token_lifecycle_pb2 import TokenName
from cardnet.v1.token_service_pb2 import RequestTokenRequest, RequestTokenResponse

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUNDS = 10_000
SEED = "swaps"
VAULT, REQUEST_TOKEN = "/cardnet.cde.v1.TokenVault/", "/cardnet.v1.TokenService/RequestToken"
OTHER_SHOP = merchant(merchant_id="MERCHANT0000002", merchant_domain="other-shop.example")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tsp(spare: EmbeddedStore) -> AsyncIterator[Provider]:
    async with started(spare, most_probes=0) as provider:
        yield provider


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(spare: EmbeddedStore, tsp: Provider) -> AsyncIterator[Store]:
    """The store to one who may write in it; in no hurry to have it all on disk."""
    behind = Store(spare.admin_url, owner="test", timeout_s=STORE_TIMEOUT_S)
    await behind.command("CONFIG", "SET", "appendfsync", "no")
    yield behind
    await behind.command("CONFIG", "SET", "appendfsync", "always")
    await behind.close()


@pytest_asyncio.fixture(loop_scope="module")
async def victims(tsp: Provider, opened: Store) -> list[Victim]:
    """Fourteen tokens: of one card and of several, and some that were changed."""
    pans = [tsp.new_pan(range_) for range_ in ("99990000", "99991000") for _ in range(4)]
    lives = [(pan, ON_FILE, "") for pan in pans] + [(pans[0], OTHERS, ""), (pans[4], RECURRING, "")]
    lives += [(tsp.new_pan(), ON_FILE, how) for how in ("suspended", "deleted", "resumed", "replaced")]
    return [await victim(tsp, opened, *life) for life in lives]


async def victim(tsp: Provider, opened: Store, pan: str, trid: str, how: str) -> Victim:
    token = await tsp.new_token(trid, pan)
    record = f"tsp:{{{token.token_reference_id}}}:record"
    former: list[Fields] = []
    for what in {"suspended": ["Suspend"], "deleted": ["Unlink"], "resumed": ["Suspend", "Resume"]}.get(how, []):
        former.append(await opened.command("HGETALL", record))
        await tsp.act("issuer", what, token)
    if how == "replaced":
        former.append(await opened.command("HGETALL", record))
        successor = tsp.new_pan()
        await tsp.replace_pan(pan, successor)
        pan = successor
    keys = tsp.behind._keys
    return Victim(
        token,
        "" if how in ("suspended", "deleted") else pan,
        trid,
        record,
        f"tsp:{{{keys.names_of_token(PaymentToken(token.payment_token))[0]}}}:index",
        f"tsp:{{{keys.names_of_pan(Pan(pan))[0]}}}:card",
        tuple(former),
    )


@pytest_asyncio.fixture(loop_scope="module")
async def by(opened: Store, victims: list[Victim]) -> Meddler:
    meddler = Meddler(opened, victims, SEED)
    await meddler.look()
    return meddler


async def answered(tsp: Provider, caller: str, method: str, request: Any) -> bytes:
    """An answer or a fault as the service gives it: a stub would take a bug for an outage."""
    answer: bytes = await tsp.service.border.answer(method, request.SerializeToString(), caller, {}, 5.0)
    return answer


async def told(tsp: Provider, victim: Victim) -> str:
    """What comes of a payment: the card, or "refused" or "fault"; nothing else may."""
    asked = use(victim.token, **({"merchant": OTHER_SHOP} if victim.trid == OTHERS else {}))
    try:
        card = pb.DetokeniseResponse.FromString(await answered(tsp, "network", f"{VAULT}Detokenise", asked))
    except Unavailable:
        return "fault"
    assert bool(card.refusal) is not bool(card.pan)
    return card.pan or "refused"


async def pan_or_none(asking: Awaitable[bytes], kind: Any) -> str:
    """The card in an answer; empty where there is none, or a fault."""
    try:
        return str(kind.FromString(await asking).pan)
    except Unavailable:
        return ""


def forget(tsp: Provider) -> None:
    """Be as a process that has just been started: it asks the store for every reference."""
    tsp.behind._vault._references.clear()


async def remember(tsp: Provider, victims: list[Victim]) -> None:
    """Be as a process that has met these tokens before."""
    found = (tsp.behind._vault.reference_of(PaymentToken(victim.token.payment_token)) for victim in victims)
    assert all(await asyncio.gather(*found))


async def test_of_ten_thousand_swaps_flips_and_moves_none_has_a_wrong_card_told(
    tsp: Provider, victims: list[Victim], by: Meddler
) -> None:
    outcomes, rounds = Counter[tuple[str, str]](), 0
    while rounds < ROUNDS:
        forget(tsp)
        if by.chooses([True, False]):
            await remember(tsp, victims)
        meddled = [(by.chooses(WAYS), *pair) for pair in by.pairs()]
        for way, one, other in meddled:
            way(by, one, other)
        await by.write()
        rounds += len(meddled)

        felt = [(way.__name__, victim) for way, *pair in meddled for victim in pair if by.touched(victim)]
        came = await asyncio.gather(*(told(tsp, victim) for _, victim in felt))
        for (way_name, victim), outcome in zip(felt, came, strict=True):
            assert outcome in ("refused", "fault", victim.pan), way_name
            is_told = outcome not in ("refused", "fault")
            assert not (is_told and by.altered(victim.record)), way_name
            outcomes[way_name, "told" if is_told else outcome] += 1
        await by.put_back()

    # Every way was gone, and nothing of it is left.
    assert {way_name for way_name, _ in outcomes} == {way.__name__ for way in WAYS}
    assert {outcome for _, outcome in outcomes} == {"told", "refused", "fault"}
    forget(tsp)
    assert [await told(tsp, victim) for victim in victims] == [victim.pan or "refused" for victim in victims]


async def test_no_card_gets_a_token_that_stands_for_another_or_is_anothers(
    tsp: Provider, victims: list[Victim], by: Meddler
) -> None:
    right = {victim.token.payment_token: (victim.pan, victim.trid) for victim in victims}
    answers: Counter[str] = Counter()
    for _ in range(40):
        meddled = [(by.chooses(IN_CARDS), *pair) for pair in by.pairs()]
        for way, one, other in meddled:
            way(by, one, other)
        await by.write()
        for victim in (victim for _, *pair in meddled for victim in pair if victim.pan):
            tsp.bank.answers[victim.pan, "3212"] = "00"  # the one whose card was replaced
            name = TokenName(token_reference_id=victim.token.token_reference_id)
            asked = RequestTokenRequest(token_requestor_id=victim.trid, token=name)
            caller = "other-merchant" if victim.trid == OTHERS else "merchant"
            try:
                answer = RequestTokenResponse.FromString(await answered(tsp, caller, REQUEST_TOKEN, asked))
            except Unavailable:
                answers["fault"] += 1
                continue
            answers["00"] += 1
            assert right.setdefault(answer.payment_token, (victim.pan, victim.trid)) == (victim.pan, victim.trid)
        await by.put_back()
    assert answers["00"]
    assert [await told(tsp, victim) for victim in victims] == [victim.pan or "refused" for victim in victims]


async def test_a_cards_token_for_one_requestor_is_not_given_to_another(
    tsp: Provider, opened: Store, victims: list[Victim], by: Meddler
) -> None:
    on_file, recurring = victims[4], victims[9]
    assert on_file.card == recurring.card
    fields = by.fields(on_file.card)
    ours, theirs = ON_FILE.encode(), RECURRING.encode()
    by.put(on_file.card, fields | {ours: fields[theirs], theirs: fields[ours]})
    await by.write()

    given = await tsp.new_token(ON_FILE, on_file.pan)

    assert given.payment_token != recurring.token.payment_token
    assert (await tsp.shown(given)).token_requestor_id == ON_FILE
    await by.put_back()


async def test_a_record_of_former_times_is_not_believed(tsp: Provider, victims: list[Victim], by: Meddler) -> None:
    changed = [victim for victim in victims if victim.former]
    assert len(changed) == 4
    for victim in changed:
        for former in victim.former:
            by.put(victim.record, former)
            await by.write()
            assert await told(tsp, victim) == "fault"
            await by.put_back()


async def test_a_record_that_was_taken_away_after_a_change_is_missed(
    tsp: Provider, victims: list[Victim], by: Meddler
) -> None:
    for victim in victims:
        by.put(victim.record, {})
        await by.write()
        assert await told(tsp, victim) == ("fault" if victim.former else "refused")
        await by.put_back()


def named(asked: pb.DetokeniseRequest) -> str:
    """What the history calls a transaction."""
    name = asked.transaction
    return f"{name.acquirer_id}:{name.stan}:{name.transmission_time}:{name.rrn}"


async def test_a_transaction_of_the_history_cannot_be_moved(
    tsp: Provider, opened: Store, victims: list[Victim]
) -> None:
    one, other = victims[0], victims[1]
    paid = [use(one.token), use(one.token), use(other.token)]
    for asked in paid:
        assert (await tsp.vault.Detokenise(asked)).pan
    ours, theirs = (f"tsp:{{{victim.token.token_reference_id}}}:history" for victim in (one, other))
    right = await opened.command("HGET", ours, named(paid[0]))
    moved = [await opened.command("HGET", ours, named(paid[1])), await opened.command("HGET", theirs, named(paid[2]))]
    assert all(moved)

    name, token = paid[0].transaction, paid[0].token_data.payment_token
    by_token = pb.FindTransactionRequest(transaction=name, payment_token=token)
    by_card = pb.FindTransactionRequest(transaction=name, pan=one.pan)
    recalled = pb.RecallTransactionRequest(transaction=name, payment_token=token)
    for entry in (*moved, right[:-1], right[:41], right[:40] + b"\xff" + right[41:], b""):
        await opened.command("HSET", ours, named(paid[0]), entry)
        for request in (by_token, by_card):
            found = answered(tsp, "network", f"{VAULT}FindTransaction", request)
            assert not await pan_or_none(found, pb.FindTransactionResponse)
        asking = answered(tsp, "network", f"{VAULT}RecallTransaction", recalled)
        assert not await pan_or_none(asking, pb.RecallTransactionResponse)
    await opened.command("HSET", ours, named(paid[0]), right)
    assert (await tsp.find(paid[0])).pan == (await tsp.recall(paid[0])).pan == one.pan


async def test_a_reversal_does_not_get_the_card_of_another_token(
    tsp: Provider, victims: list[Victim], by: Meddler
) -> None:
    one, other = victims[0], victims[1]
    paid = use(other.token)
    assert (await tsp.vault.Detokenise(paid)).pan
    lead_astray(by, one, other)
    await by.write()
    forget(tsp)

    name, token = paid.transaction, one.token.payment_token
    recalled = pb.RecallTransactionRequest(transaction=name, payment_token=token)
    found = pb.FindTransactionRequest(transaction=name, payment_token=token)
    asking = answered(tsp, "network", f"{VAULT}RecallTransaction", recalled)
    assert not await pan_or_none(asking, pb.RecallTransactionResponse)
    asking = answered(tsp, "network", f"{VAULT}FindTransaction", found)
    assert not await pan_or_none(asking, pb.FindTransactionResponse)
    await by.put_back()
    forget(tsp)
