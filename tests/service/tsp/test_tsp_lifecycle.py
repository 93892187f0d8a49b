"""Who may do what to a token, by the calls on its life; and what is seen of it by those whose it is not."""

import asyncio
from typing import Any

import pytest
from tsp_parties import (
    OTHERS,
    UNKNOWN_REFERENCE,
    UNKNOWN_TOKEN,
    act,
    notices,
    request_token,
    shown,
    state,
    stub,
    watched,
)
from tsp_provider import PAN, Provider, use

from cardnet.errors import InvalidField, NotPermitted, Overloaded
from cardnet.store import Store
from cardnet.v1 import token_lifecycle_pb2 as pb
from cardnet.v1 import token_pb2
from cardnet.v1.token_lifecycle_pb2_grpc import TokenLifecycleStub

CALLS = ["Suspend", "Resume", "Unlink"]
"""Those that every party may make and that need nothing but a name."""


@pytest.mark.parametrize(("caller", "party"), [("merchant", "REQUESTOR"), ("issuer", "ISSUER"), ("operator", "TSP")])
async def test_who_suspends_a_token_resumes_it(tsp: Provider, token: Any, caller: str, party: str) -> None:
    suspended = await act(tsp, caller, "Suspend", token.token_reference_id)
    assert (suspended.response_code, state(suspended.token)) == ("00", ("SUSPENDED", {party}))
    assert (await tsp.vault.Detokenise(use(token))).response_code == "62"
    resumed = await act(tsp, caller, "Resume", token.token_reference_id)
    assert (resumed.response_code, state(resumed.token)) == ("00", ("ACTIVE", set()))
    assert (await tsp.vault.Detokenise(use(token))).pan == PAN


async def test_a_token_is_suspended_until_everyone_has_resumed_it(tsp: Provider, token: Any) -> None:
    reference = token.token_reference_id
    await act(tsp, "merchant", "Suspend", reference)
    refused = await act(tsp, "operator", "Resume", reference)
    assert (refused.response_code, refused.HasField("token")) == ("57", False)
    await act(tsp, "issuer", "Suspend", reference)
    assert state((await act(tsp, "merchant", "Resume", reference)).token) == ("SUSPENDED", {"ISSUER"})
    assert (await act(tsp, "merchant", "Resume", reference)).response_code == "57"
    assert (await act(tsp, "operator", "Activate", reference)).response_code == "57"
    assert state((await act(tsp, "issuer", "Resume", reference)).token) == ("ACTIVE", set())


async def test_all_who_suspend_at_once_are_noted(tsp: Provider, token: Any) -> None:
    callers = ("merchant", "issuer", "operator") * 2
    answers = await asyncio.gather(*(act(tsp, caller, "Suspend", token.token_reference_id) for caller in callers))
    assert {answer.response_code for answer in answers} == {"00"}
    assert state(await shown(tsp, token.token_reference_id))[1] == {"REQUESTOR", "ISSUER", "TSP"}


async def test_an_inactive_token_is_activated_by_its_issuer_and_by_the_operator_alone(tsp: Provider) -> None:
    tsp.bank.token_state = token_pb2.TOKEN_STATE_INACTIVE
    token = await tsp.request_token()
    for what in ("Suspend", "Resume"):
        assert (await act(tsp, "issuer", what, token.token_reference_id)).response_code == "78"
    with pytest.raises(NotPermitted):
        await act(tsp, "merchant", "Activate", token.token_reference_id)
    active = await act(tsp, "issuer", "Activate", token.token_reference_id)
    assert (active.response_code, state(active.token)) == ("00", ("ACTIVE", set()))
    assert (await tsp.vault.Detokenise(use(token))).pan == PAN


@pytest.mark.parametrize("caller", ["merchant", "issuer", "operator"])
async def test_an_unlinked_token_never_comes_back(tsp: Provider, token: Any, admin: Store, caller: str) -> None:
    reference = token.token_reference_id
    salt = await admin.command("HGET", f"tsp:{{{reference}}}:record", "salt")
    gone = await act(tsp, caller, "Unlink", reference, "CAUSE_CLOSED")
    assert (gone.response_code, state(gone.token)) == ("00", ("DELETED", set()))
    assert await admin.command("HGET", f"tsp:{{{reference}}}:record", "salt") != salt
    for what in ("Suspend", "Resume"):
        assert (await act(tsp, caller, what, reference)).response_code == "78"
    assert (await act(tsp, "operator", "Activate", reference)).response_code == "78"
    assert await act(tsp, caller, "Unlink", reference) == gone
    assert (await tsp.vault.Detokenise(use(token))).response_code == "78"
    again = await tsp.request_token()
    assert again.token_reference_id != reference
    assert again.payment_token != token.payment_token


async def test_every_change_is_counted_and_told_once_with_who_and_why(tsp: Provider, token: Any, admin: Store) -> None:
    reference = token.token_reference_id
    first = (await shown(tsp, reference)).version
    for _ in range(2):  # the second time it is so already
        await act(tsp, "issuer", "Suspend", reference, "CAUSE_FRAUD")
    await act(tsp, "merchant", "Unlink", reference, "CAUSE_CLOSED")
    told = await notices(admin, reference)
    assert [(notice.party, notice.cause) for notice in told] == [
        (token_pb2.PARTY_ISSUER, token_pb2.CAUSE_FRAUD),
        (token_pb2.PARTY_REQUESTOR, token_pb2.CAUSE_CLOSED),
    ]
    assert [notice.token.version for notice in told] == [first + 1, first + 2]
    assert told[-1].token == await shown(tsp, reference)


@pytest.mark.parametrize("by_reference", [True, False])
@pytest.mark.parametrize("caller", ["other-merchant", "other-issuer"])
@pytest.mark.parametrize("what", CALLS)
async def test_a_foreign_token_is_answered_like_an_unknown_one_and_stays_as_it_is(
    tsp: Provider, token: Any, caller: str, what: str, by_reference: bool
) -> None:
    before = await shown(tsp, token.token_reference_id)
    call = getattr(stub(tsp, TokenLifecycleStub, caller), f"{what}Token")
    foreign, unknown = (
        (pb.TokenName(token_reference_id=token.token_reference_id), pb.TokenName(token_reference_id=UNKNOWN_REFERENCE))
        if by_reference
        else (pb.TokenName(payment_token=token.payment_token), pb.TokenName(payment_token=UNKNOWN_TOKEN))
    )
    answers, questions = [], []
    for name in (foreign, unknown):
        with watched(tsp.service.store) as asked:
            answers.append(await call(pb.ChangeTokenRequest(token=name, cause="CAUSE_FRAUD")))
        questions.append([command[0] for command in asked])
    assert answers == [pb.ChangeTokenResponse(response_code="14")] * 2
    assert questions[0][-1] == questions[1][-1] == "HMGET"  # a record is looked up in either case
    if by_reference:
        assert questions[0] == questions[1]
    assert await shown(tsp, token.token_reference_id) == before


async def test_a_merchant_acts_under_each_of_its_identifiers(tsp: Provider) -> None:
    for trid in ("00000000001", "00000000002", "00000000004", "00000000005"):
        token = await request_token(tsp, PAN, trid)
        assert (await act(tsp, "merchant", "Suspend", token.token_reference_id)).response_code == "00"
    others = await request_token(tsp, PAN, OTHERS)
    assert (await act(tsp, "merchant", "Suspend", others.token_reference_id)).response_code == "14"
    assert (await act(tsp, "other-merchant", "Suspend", others.token_reference_id)).response_code == "00"


async def test_the_issuer_still_finds_a_token_whose_card_was_erased(tsp: Provider, token: Any) -> None:
    await act(tsp, "merchant", "Unlink", token.token_reference_id)
    assert (await act(tsp, "issuer", "Unlink", token.token_reference_id)).response_code == "00"
    assert (await act(tsp, "other-issuer", "Unlink", token.token_reference_id)).response_code == "14"


@pytest.mark.parametrize("name", [{}, {"token_reference_id": UNKNOWN_REFERENCE, "payment_token": UNKNOWN_TOKEN}])
async def test_a_token_is_named_in_one_way(tsp: Provider, name: dict[str, str]) -> None:
    with pytest.raises(InvalidField) as fault:
        await stub(tsp, TokenLifecycleStub, "operator").GetToken(pb.GetTokenRequest(token=pb.TokenName(**name)))
    assert fault.value.field == "token"


@pytest.mark.parametrize("reference", [UNKNOWN_TOKEN, "}x{", "A" * 32, "1" * 31])
async def test_what_is_no_reference_is_unknown_and_does_not_reach_the_store(tsp: Provider, reference: str) -> None:
    with watched(tsp.service.store) as asked:
        assert (await act(tsp, "operator", "Suspend", reference)).response_code == "14"
    assert reference not in "|".join(map(str, asked))


async def test_a_token_is_shown_to_those_whose_it_is_in_whatever_state(tsp: Provider, token: Any) -> None:
    await act(tsp, "merchant", "Unlink", token.token_reference_id)
    name = pb.TokenName(payment_token=token.payment_token)
    for caller in ("merchant", "issuer", "operator"):
        answer = await stub(tsp, TokenLifecycleStub, caller).GetToken(pb.GetTokenRequest(token=name))
        assert (answer.response_code, state(answer.token)) == ("00", ("DELETED", set()))
        assert answer.token.pan_last_four == PAN[-4:]
        assert token.payment_token not in str(answer)
    foreign = await stub(tsp, TokenLifecycleStub, "other-merchant").GetToken(pb.GetTokenRequest(token=name))
    assert foreign == pb.ChangeTokenResponse(response_code="14")


async def update(tsp: Provider, caller: str, token: Any, **new: str) -> Any:
    name = pb.TokenName(token_reference_id=token.token_reference_id)
    call = stub(tsp, TokenLifecycleStub, caller).UpdateTokenAttributes
    return await call(pb.UpdateTokenAttributesRequest(token=name, **new))


async def test_a_token_gets_another_expiry_and_is_good_under_that_alone(tsp: Provider, token: Any) -> None:
    updated = await update(tsp, "merchant", token, token_expiry="3109")
    assert (updated.response_code, updated.token.token_expiry) == ("00", "3109")
    assert (await tsp.vault.Detokenise(use(token))).response_code == "54"
    token.token_expiry = "3109"
    assert (await tsp.vault.Detokenise(use(token))).pan == PAN


async def test_a_new_assurance_reaches_the_issuer_with_the_next_payment(tsp: Provider, token: Any) -> None:
    await update(tsp, "issuer", token, token_assurance_level="14", token_assurance_data="seen in the branch")
    card = await tsp.vault.Detokenise(use(token))
    assert (card.token_assurance_level, card.token_assurance_data) == ("14", "seen in the branch")


@pytest.mark.parametrize(
    ("caller", "new", "field"),
    [
        ("merchant", {"token_assurance_level": "10", "token_assurance_data": "x"}, "token_assurance_level"),
        ("issuer", {"token_assurance_level": "01", "token_assurance_data": "x"}, "token_assurance_level"),
        ("operator", {"token_assurance_level": "99", "token_assurance_data": "x"}, "token_assurance_level"),
        ("operator", {"token_assurance_level": "10"}, "token_assurance_data"),
        ("merchant", {"token_expiry": "2610"}, "token_expiry"),
        ("merchant", {}, "token_expiry"),
    ],
)
async def test_attributes_that_cannot_be_are_refused_by_their_field(
    tsp: Provider, token: Any, caller: str, new: dict[str, str], field: str
) -> None:
    before = await shown(tsp, token.token_reference_id)
    with pytest.raises(InvalidField) as fault:
        await update(tsp, caller, token, **new)
    assert fault.value.field == field
    assert await shown(tsp, token.token_reference_id) == before


async def test_nobody_but_the_three_parties_may_act(tsp: Provider, token: Any) -> None:
    for caller in ("network", "discloser"):
        for what in (*CALLS, "Activate"):
            with pytest.raises(NotPermitted):
                await act(tsp, caller, what, token.token_reference_id)


async def test_who_looks_for_tokens_here_is_slowed_down(store: Any, admin: Store) -> None:
    tsp = Provider(store, most_probes=3)
    await tsp.service.start()
    try:
        token = await tsp.request_token()
        for _ in range(3):
            assert (await act(tsp, "other-merchant", "Suspend", token.token_reference_id)).response_code == "14"
        with pytest.raises(Overloaded):
            await act(tsp, "other-merchant", "Suspend", UNKNOWN_REFERENCE)
        assert (await act(tsp, "merchant", "Suspend", token.token_reference_id)).response_code == "00"
    finally:
        await tsp.service.stop()
