"""What becomes of a card's tokens when the card is replaced, gets another expiry, or is lost."""

from datetime import timedelta
from typing import Any

import pytest
from tsp_parties import (
    NEW_PAN,
    NEWER_PAN,
    OTHERS,
    act,
    dying,
    enquire_par,
    notices,
    pan,
    replace_pan,
    report_lost,
    request_token,
    shown,
    state,
    update_expiry,
    watched,
)
from tsp_provider import DEBIT, ON_FILE, PAN, WITH_CRYPTOGRAM, Provider, keys_of, use

from cardnet.cde.v1 import pan_lifecycle_pb2 as pb
from cardnet.errors import InvalidField, NotPermitted, Unavailable
from cardnet.store import Store
from cardnet.v1 import token_pb2

REQUESTORS = (ON_FILE, WITH_CRYPTOGRAM, OTHERS)


async def told(tsp: Provider, token: Any) -> tuple[str, str]:
    """The card that a payment with a token reaches."""
    card = await tsp.vault.Detokenise(use(token))
    return card.pan, card.pan_expiry


async def tokens_of(tsp: Provider, number: str = PAN) -> list[Any]:
    return [await request_token(tsp, number, trid) for trid in REQUESTORS]


async def everything(admin: Store) -> dict[bytes, Any]:
    """What stands about tokens and cards; what runs beside the calls writes elsewhere."""
    parts = (b":record", b":card", b":history", b":use", b":cryptograms")
    return {key: await admin.command("HGETALL", key) for key in await keys_of(admin) if key.endswith(parts)}


async def test_a_replaced_card_is_reached_by_the_next_payment_with_the_same_token_and_par(
    tsp: Provider, token: Any, admin: Store
) -> None:
    before = await shown(tsp, token.token_reference_id)
    answer = await replace_pan(tsp, PAN, NEW_PAN)
    assert answer.response_code == "00"
    assert await told(tsp, token) == (NEW_PAN, "3212")
    (after,) = answer.tokens
    assert (after.pan_last_four, after.version) == (NEW_PAN[-4:], before.version + 1)
    after.pan_last_four, after.version = before.pan_last_four, before.version
    assert after == before
    (notice,) = await notices(admin, token.token_reference_id)
    assert (notice.party, notice.cause) == (token_pb2.PARTY_ISSUER, token_pb2.CAUSE_CARD_REPLACED)
    assert notice.token.pan_last_four == NEW_PAN[-4:]


async def test_the_new_card_and_requestor_have_the_old_token_and_the_old_card_has_none(tsp: Provider) -> None:
    old = await tokens_of(tsp)
    assert len((await replace_pan(tsp, PAN, NEW_PAN)).tokens) == len(REQUESTORS)
    tsp.bank.answers[NEW_PAN, "3212"] = "00"
    assert (await tsp.request_token(NEW_PAN, ON_FILE, "3212")).payment_token == old[0].payment_token
    assert (await enquire_par(tsp, NEW_PAN)).par == old[0].par == (await enquire_par(tsp, PAN)).par
    assert (await request_token(tsp, PAN)).payment_token != old[0].payment_token
    assert await told(tsp, old[0]) == (NEW_PAN, "3212")


async def test_a_chargeback_still_finds_what_was_paid_with_the_old_card(tsp: Provider, token: Any) -> None:
    asked = use(token)
    await tsp.vault.Detokenise(asked)
    await replace_pan(tsp, PAN, NEW_PAN)
    assert (await tsp.recall(asked)).pan == PAN


async def test_every_token_follows_the_one_that_was_suspended_and_the_one_that_expired_too(tsp: Provider) -> None:
    suspended, deleted, _ = await tokens_of(tsp)
    await act(tsp, "merchant", "Suspend", suspended.token_reference_id)
    await act(tsp, "merchant", "Unlink", deleted.token_reference_id)
    tsp.clock.advance(timedelta(days=4 * 366))
    fresh = await request_token(tsp, PAN)  # in the index it has taken the place of the one that expired
    assert len((await replace_pan(tsp, PAN, NEW_PAN)).tokens) == len(REQUESTORS)
    assert state(await shown(tsp, suspended.token_reference_id)) == ("SUSPENDED", {"REQUESTOR"})
    assert state(await shown(tsp, deleted.token_reference_id)) == ("DELETED", set())
    assert await told(tsp, fresh) == (NEW_PAN, "3212")
    # All of them are the new card's from now on: it may be replaced in its turn.
    assert len((await replace_pan(tsp, NEW_PAN, NEWER_PAN)).tokens) == len(REQUESTORS)
    assert (await shown(tsp, suspended.token_reference_id)).pan_last_four == NEWER_PAN[-4:]


async def test_a_late_repeat_takes_nothing_back(tsp: Provider, token: Any, admin: Store) -> None:
    await replace_pan(tsp, PAN, NEW_PAN)
    await replace_pan(tsp, NEW_PAN, NEWER_PAN)
    before = await everything(admin)
    assert (await replace_pan(tsp, PAN, NEW_PAN)).response_code == "00"
    assert await everything(admin) == before
    assert await told(tsp, token) == (NEWER_PAN, "3212")


async def test_a_card_may_get_its_old_number_back(tsp: Provider, token: Any) -> None:
    await replace_pan(tsp, PAN, NEW_PAN)
    assert (await replace_pan(tsp, NEW_PAN, PAN, "3011")).response_code == "00"
    assert await told(tsp, token) == (PAN, "3011")
    assert (await request_token(tsp, PAN)).payment_token == token.payment_token


@pytest.mark.parametrize("acts", [False, True], ids=["before", "after"])
async def test_a_replacement_that_was_cut_off_anywhere_is_completed_by_a_repeat(tsp: Provider, acts: bool) -> None:
    tokens = await tokens_of(tsp)
    with watched(tsp.service.store) as asked:
        await replace_pan(tsp, PAN, NEW_PAN)
    assert len(asked) > 10
    old = NEW_PAN
    for survives in range(len(asked)):
        new = pan(5_000 + survives)
        with dying(tsp.service.store, survives, acts), pytest.raises(Unavailable):
            await replace_pan(tsp, old, new)
        for token in tokens:
            assert (await shown(tsp, token.token_reference_id)).pan_last_four in (old[-4:], new[-4:])
        answer = await replace_pan(tsp, old, new)
        assert (answer.response_code, len(answer.tokens)) == ("00", len(tokens))
        assert {(after.pan_last_four, after.par) for after in answer.tokens} == {(new[-4:], tokens[0].par)}
        assert (await request_token(tsp, new)).payment_token == tokens[0].payment_token
        old = new


async def test_a_new_card_with_tokens_of_its_own_cannot_take_over(tsp: Provider, token: Any, admin: Store) -> None:
    await request_token(tsp, NEW_PAN)
    before = await everything(admin)
    assert await replace_pan(tsp, PAN, NEW_PAN) == pb.ChangePanResponse(response_code="94")
    assert await everything(admin) == before


@pytest.mark.parametrize(("new", "why"), [(PAN, "another number"), (DEBIT, "same issuer and product")])
async def test_a_card_is_replaced_by_another_one_of_the_same_range(tsp: Provider, new: str, why: str) -> None:
    with pytest.raises(InvalidField, match=why) as fault:
        await replace_pan(tsp, PAN, new)
    assert fault.value.field == "new_pan"


@pytest.mark.parametrize(("number", "caller"), [(NEWER_PAN, "issuer"), (PAN, "other-issuer")])
async def test_a_card_without_tokens_and_one_of_another_issuer_get_one_answer(
    tsp: Provider, token: Any, admin: Store, number: str, caller: str
) -> None:
    before = await everything(admin)
    refused = pb.ChangePanResponse(response_code="14")
    assert await replace_pan(tsp, number, NEW_PAN, caller=caller) == refused
    assert await update_expiry(tsp, number, "3212", caller) == refused
    assert await report_lost(tsp, number, caller) == refused
    assert await enquire_par(tsp, number, caller) == pb.EnquireParResponse(response_code="14")
    assert await everything(admin) == before


@pytest.mark.parametrize("caller", ["merchant", "network", "discloser"])
async def test_nobody_else_speaks_of_cards(tsp: Provider, caller: str) -> None:
    for asking in (replace_pan(tsp, PAN, NEW_PAN, caller=caller), report_lost(tsp, PAN, caller)):
        with pytest.raises(NotPermitted):
            await asking


async def test_the_network_and_the_operator_learn_the_par_of_every_card(tsp: Provider, token: Any) -> None:
    for caller in ("issuer", "operator", "network"):
        assert await enquire_par(tsp, PAN, caller) == pb.EnquireParResponse(response_code="00", par=token.par)


async def test_a_new_expiry_of_the_card_leaves_the_tokens_own_alone(tsp: Provider, token: Any, admin: Store) -> None:
    for _ in range(2):  # a repeat changes nothing
        answer = await update_expiry(tsp, PAN, "3305")
        assert [shown.token_expiry for shown in answer.tokens] == [token.token_expiry]
    assert await told(tsp, token) == (PAN, "3305")
    assert [notice.cause for notice in await notices(admin, token.token_reference_id)] == [
        token_pb2.CAUSE_CARD_REPLACED
    ]


async def test_the_tokens_of_a_lost_card_are_suspended_in_its_issuers_name(tsp: Provider, admin: Store) -> None:
    active, suspended, deleted = await tokens_of(tsp)
    await act(tsp, "merchant", "Suspend", suspended.token_reference_id)
    await act(tsp, "other-merchant", "Unlink", deleted.token_reference_id)
    for _ in range(2):
        answer = await report_lost(tsp, PAN, "operator")
        assert (answer.response_code, len(answer.tokens)) == ("00", 2)
    assert state(await shown(tsp, active.token_reference_id)) == ("SUSPENDED", {"ISSUER"})
    assert state(await shown(tsp, suspended.token_reference_id)) == ("SUSPENDED", {"REQUESTOR", "ISSUER"})
    assert state(await shown(tsp, deleted.token_reference_id)) == ("DELETED", set())
    (notice,) = await notices(admin, active.token_reference_id)
    assert (notice.party, notice.cause) == (token_pb2.PARTY_ISSUER, token_pb2.CAUSE_LOST_OR_STOLEN)
    assert (await act(tsp, "operator", "Resume", active.token_reference_id)).response_code == "57"
    assert (await act(tsp, "issuer", "Resume", active.token_reference_id)).response_code == "00"


async def test_what_becomes_of_an_old_card_is_nothing_to_tokens_that_left_it(tsp: Provider, token: Any) -> None:
    await replace_pan(tsp, PAN, NEW_PAN)
    for answer in (await report_lost(tsp, PAN), await update_expiry(tsp, PAN, "3305")):
        assert answer == pb.ChangePanResponse(response_code="00")
    assert await told(tsp, token) == (NEW_PAN, "3212")


async def test_an_inactive_token_of_a_lost_card_can_never_be_activated(tsp: Provider) -> None:
    tsp.bank.token_state = token_pb2.TOKEN_STATE_INACTIVE
    token = await tsp.request_token()
    (lost,) = (await report_lost(tsp, PAN)).tokens
    assert state(lost) == ("DELETED", set())
    assert (await act(tsp, "issuer", "Activate", token.token_reference_id)).response_code == "78"


async def test_a_token_asked_for_after_the_loss_is_none_of_the_loss(tsp: Provider, token: Any) -> None:
    await report_lost(tsp, PAN)
    assert (await request_token(tsp, PAN)).payment_token == token.payment_token  # still suspended
    assert (await tsp.vault.Detokenise(use(token))).response_code == "62"


async def test_no_card_number_comes_into_the_store(tsp: Provider, token: Any, admin: Store) -> None:
    with watched(tsp.service.store) as asked:
        await replace_pan(tsp, PAN, NEW_PAN)
    sent = "|".join(str(part) for command in asked for part in command)
    assert PAN not in sent
    assert NEW_PAN not in sent
