"""Tokens for cards: who gets one, which, and when none."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tsp_provider import DEBIT, LATE, ON_FILE, PAN, WITH_CRYPTOGRAM, Provider, keys_of, use

from cardnet.card import card_range, token_range
from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.errors import Fault, InvalidField, NotPermitted, Unavailable
from cardnet.store import Store
from cardnet.v1 import token_pb2, token_service_pb2


async def test_a_card_gets_a_token_of_its_product_and_the_requestor_learns_four_digits(token: Any) -> None:
    assert token.response_code == "00"
    assert token_range(token.payment_token) is card_range(PAN)
    assert token.token_expiry == "2911"
    assert (token.pan_last_four, token.token_assurance_level) == ("0012", "10")
    assert token.par.startswith("SIMX")
    assert list(token.pos_entry_modes) == [10, 81]
    assert PAN not in str(token)


async def test_a_debit_card_gets_a_token_of_the_debit_range(tsp: Provider) -> None:
    assert token_range((await tsp.request_token(DEBIT)).payment_token) is card_range(DEBIT)


async def test_the_same_card_and_requestor_have_one_token(tsp: Provider, token: Any) -> None:
    assert await tsp.request_token() == token


async def test_another_requestor_gets_another_token_and_the_same_par(tsp: Provider, token: Any) -> None:
    other = await tsp.request_token(trid=WITH_CRYPTOGRAM)
    assert other.payment_token != token.payment_token
    assert other.par == token.par


async def test_thirty_two_who_ask_at_once_get_one_token(tsp: Provider, admin: Store) -> None:
    answers = await asyncio.gather(*(tsp.request_token() for _ in range(32)))
    assert len({answer.SerializeToString() for answer in answers}) == 1
    assert len(await keys_of(admin, "*:record")) == 1


@pytest.mark.parametrize(("pan", "code"), [(LATE, "54"), ("9999000000000210", "14")])
async def test_without_the_issuers_yes_there_is_no_token(tsp: Provider, admin: Store, pan: str, code: str) -> None:
    answer = await tsp.request_token(pan)
    declined = token_service_pb2.TOKEN_DECISION_DECLINED
    assert answer == token_service_pb2.RequestTokenResponse(response_code=code, decision=declined)
    assert await keys_of(admin, "*:record") == await keys_of(admin, "*:index") == await keys_of(admin, "*:card") == []


async def test_a_silent_issuer_is_a_fault_and_leaves_nothing(tsp: Provider, admin: Store) -> None:
    tsp.bank.answers[PAN, "3011"] = "silent"
    with pytest.raises(Unavailable):
        await tsp.request_token()
    assert await keys_of(admin, "*:record") == await keys_of(admin, "*:index") == await keys_of(admin, "*:card") == []


async def test_the_issuer_says_in_which_state_a_token_begins(tsp: Provider) -> None:
    tsp.bank.token_state = token_pb2.TOKEN_STATE_SUSPENDED
    token = await tsp.request_token()
    assert token.response_code == "00"
    assert (await tsp.vault.Detokenise(use(token))).refusal == pb.REFUSAL_TOKEN_SUSPENDED


@pytest.mark.parametrize("trid", ["00000000003", "00000000009"])
async def test_a_requestor_that_is_not_the_callers_is_a_fault(tsp: Provider, token: Any, trid: str) -> None:
    with pytest.raises(Fault, match="cannot be reached|not registered"):
        await tsp.request_token(trid=trid)
    with pytest.raises(Fault, match="cannot be reached|not registered"):
        await tsp.request_cryptogram(token, trid=trid)


async def test_a_blob_that_is_no_card_is_refused_by_its_field(tsp: Provider) -> None:
    request = token_service_pb2.RequestTokenRequest(token_requestor_id=ON_FILE, encrypted_card="a.b.c.d.e")
    with pytest.raises(InvalidField, match="encrypted_card: must be a card encrypted to this"):
        await tsp.requestor.RequestToken(request)


async def test_a_real_card_is_refused_in_words_that_say_why(tsp: Provider) -> None:
    with pytest.raises(InvalidField, match="never use a real card here"):
        await tsp.request_token("4111111111111111")


async def test_a_renewed_card_keeps_its_token_and_the_vault_learns_the_new_expiry(tsp: Provider, token: Any) -> None:
    tsp.bank.answers[PAN, "3311"] = "00"
    assert await tsp.request_token(expiry="3311") == token
    assert (await tsp.vault.Detokenise(use(token))).pan_expiry == "3311"


async def test_a_card_whose_token_was_deleted_or_has_expired_gets_a_new_one(tsp: Provider, token: Any) -> None:
    await tsp.change(token, token_pb2.TOKEN_STATE_DELETED)
    second = await tsp.request_token()
    tsp.clock.advance(timedelta(days=4 * 366))
    third = await tsp.request_token()
    assert len({token.payment_token, second.payment_token, third.payment_token}) == 3
    assert (await tsp.vault.Detokenise(use(third))).pan == PAN


@pytest.mark.parametrize("caller", ["network", "operator"])
async def test_only_a_requestor_requests_tokens(tsp: Provider, caller: str) -> None:
    request = token_service_pb2.RequestTokenRequest(token_requestor_id=ON_FILE, encrypted_card="a")
    with pytest.raises(NotPermitted):
        await tsp.service.border.answer(
            "/cardnet.v1.TokenService/RequestToken", request.SerializeToString(), caller, {}, 1.0
        )
