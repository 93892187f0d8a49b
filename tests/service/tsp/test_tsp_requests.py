"""Token Requests by a token in the card's place, cryptograms by reference, and the numbers that tokens get (I9)."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tsp_provider import (
    ON_FILE,
    ONE_TIME,
    OTHERS,
    RECURRING,
    UNKNOWN_REFERENCE,
    UNKNOWN_TOKEN,
    WITH_CRYPTOGRAM,
    Provider,
    started,
    use,
)

from cardnet.card import CARD_RANGES, CardRange, card_range, luhn_valid, pan_fault, token_fault, token_range
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InvalidField
from cardnet.v1 import token_service_pb2 as ts
from cardnet.v1.token_lifecycle_pb2 import TokenName
from cardnet.v1.token_pb2 import TOKEN_LOCATION_REMOTE, TOKEN_LOCATION_SHARED, TOKEN_LOCATION_TEMPORARY
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from services.tsp.domain import token_number

loops = pytest.mark.asyncio(loop_scope="module")

NOBODYS = ts.RequestTokenResponse(
    payment_token=UNKNOWN_TOKEN, token_expiry="2911", token_reference_id=UNKNOWN_REFERENCE
)
FOURTEEN = ts.RequestTokenResponse(response_code="14")
BY = ["number", "reference"]


def named(token: Any, by: str, **fields: Any) -> dict[str, Any]:
    """The fields that stand for the card."""
    if by == "reference":
        return {"token": TokenName(token_reference_id=token.token_reference_id), **fields}
    name = TokenName(payment_token=token.payment_token)
    return {"token": name, "token_expiry": token.token_expiry, **fields}


async def request(tsp: Provider, trid: str, **fields: Any) -> Any:
    caller = "other-merchant" if trid == OTHERS else "merchant"
    asked = ts.RequestTokenRequest(token_requestor_id=trid, **fields)
    return await tsp.stub(TokenServiceStub, caller).RequestToken(asked)


# A token in the card's place.


@loops
@pytest.mark.parametrize("by", BY)
async def test_a_requestors_own_token_stands_for_its_card(shared: Provider, by: str) -> None:
    token = await shared.new_token()

    assert await request(shared, ON_FILE, **named(token, by)) == token


@loops
@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("trid", [OTHERS, RECURRING])
async def test_with_its_authorisation_anothers_token_stands_for_the_card(shared: Provider, trid: str, by: str) -> None:
    pan = shared.new_pan()
    theirs = await shared.new_token(ON_FILE, pan)
    authorised = named(theirs, by, token_request_authorisation=theirs.token_reference_id)

    token = await request(shared, trid, **authorised)

    assert (token.response_code, token.par, token.pan_last_four) == ("00", theirs.par, pan[-4:])
    assert token.payment_token != theirs.payment_token
    assert (await shared.shown(token)).token_requestor_id == trid
    assert await request(shared, trid, **authorised) == token  # the same card and requestor


@loops
@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("authorisation", ["", UNKNOWN_REFERENCE])
async def test_without_it_anothers_token_is_as_good_as_unknown(shared: Provider, by: str, authorisation: str) -> None:
    theirs = await shared.new_token()
    for token in (theirs, NOBODYS):
        given_for_it = named(token, by, token_request_authorisation=authorisation)
        assert await request(shared, RECURRING, **given_for_it) == FOURTEEN
        assert await request(shared, OTHERS, **given_for_it) == FOURTEEN


@loops
async def test_the_authorisation_of_one_token_is_none_for_another(shared: Provider) -> None:
    one, other = await shared.new_token(), await shared.new_token()

    asked = named(one, "number", token_request_authorisation=other.token_reference_id)

    assert await request(shared, OTHERS, **asked) == FOURTEEN


@loops
async def test_the_expiry_must_be_the_tokens(shared: Provider) -> None:
    token = await shared.new_token()
    asked = named(token, "number")

    assert await request(shared, ON_FILE, **{**asked, "token_expiry": "3011"}) == FOURTEEN  # the card's
    with pytest.raises(InvalidField, match="token_expiry"):
        await request(shared, ON_FILE, **{**asked, "token_expiry": ""})


@loops
@pytest.mark.parametrize("by", BY)
async def test_a_deleted_token_stands_for_no_card(shared: Provider, by: str) -> None:
    token = await shared.new_token()
    await shared.act("merchant", "Unlink", token)

    assert await request(shared, ON_FILE, **named(token, by)) == FOURTEEN


@loops
async def test_the_issuer_is_asked_also_where_a_token_stands_for_the_card(spare: EmbeddedStore) -> None:
    async with started(spare) as tsp:
        pan = tsp.new_pan()
        token = await tsp.new_token(ON_FILE, pan)
        tsp.bank.answers[pan, "3011"] = "05"

        authorised = named(token, "reference", token_request_authorisation=token.token_reference_id)
        answer = await request(tsp, OTHERS, **authorised)

        assert (answer.response_code, answer.decision) == ("05", ts.TOKEN_DECISION_DECLINED)
        assert not answer.payment_token


@loops
async def test_a_card_is_given_in_exactly_one_way(shared: Provider) -> None:
    token = await shared.new_token()
    encrypted = await shared.encrypted(shared.new_pan())
    both_names = TokenName(payment_token=token.payment_token, token_reference_id=token.token_reference_id)

    for fields, field in (
        ({}, "encrypted_card"),
        ({"encrypted_card": encrypted, **named(token, "reference")}, "encrypted_card"),
        ({"token": TokenName()}, "token"),
        ({"token": both_names, "token_expiry": token.token_expiry}, "token"),
    ):
        with pytest.raises(InvalidField, match=field):
            await request(shared, ON_FILE, **fields)


@loops
async def test_a_replaced_cards_token_stands_for_the_new_card(shared: Provider) -> None:
    pan, successor = shared.new_pan(), shared.new_pan()
    theirs = await shared.new_token(ON_FILE, pan)
    await shared.replace_pan(pan, successor)
    shared.bank.answers[successor, "3212"] = "00"

    authorised = named(theirs, "reference", token_request_authorisation=theirs.token_reference_id)
    token = await request(shared, RECURRING, **authorised)

    assert (token.pan_last_four, token.par) == (successor[-4:], theirs.par)
    assert (await shared.vault.Detokenise(use(token))).pan == successor


@loops
async def test_a_token_is_kept_where_the_request_says_or_else_as_registered(shared: Provider) -> None:
    pan = shared.new_pan()
    registered, temporary = await shared.new_token(ON_FILE, pan), await shared.new_token(ONE_TIME, pan)
    said = await shared.request_token(pan, RECURRING, location=TOKEN_LOCATION_SHARED)
    assert [(await shared.shown(token)).location for token in (registered, temporary, said)] == [
        TOKEN_LOCATION_REMOTE,
        TOKEN_LOCATION_TEMPORARY,
        TOKEN_LOCATION_SHARED,
    ]

    # It does not change during the token's life.
    assert await shared.request_token(pan, RECURRING, location=TOKEN_LOCATION_REMOTE) == said
    assert (await shared.shown(said)).location == TOKEN_LOCATION_SHARED


# Cryptograms.


async def cryptogram(tsp: Provider, token: Any, by: str) -> Any:
    if by == "number":
        return await tsp.request_cryptogram(token)
    return await tsp.request_cryptogram(
        token, payment_token="", token_expiry="", token_reference_id=token.token_reference_id
    )


@loops
async def test_a_cryptogram_by_reference_brings_token_and_expiry(shared: Provider) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)

    made = await cryptogram(shared, token, "reference")

    assert (made.payment_token, made.token_expiry) == (token.payment_token, token.token_expiry)
    assert (await shared.vault.Detokenise(use(made, made.cryptogram))).pan


@loops
async def test_by_number_the_token_is_not_said_again(shared: Provider) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    made = await cryptogram(shared, token, "number")
    assert (made.payment_token, made.token_expiry) == ("", token.token_expiry)


@loops
@pytest.mark.parametrize("by", BY)
async def test_a_cryptogram_tells_counter_key_and_indicator(shared: Provider, by: str) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)

    made = [await cryptogram(shared, token, by) for _ in range(3)]

    assert [(one.atc, one.key_index, one.eci) for one in made] == [(1, 1, "07"), (2, 1, "07"), (3, 1, "07")]
    assert len({one.cryptogram for one in made}) == 3


@loops
async def test_each_token_counts_its_own_cryptograms(shared: Provider) -> None:
    one, other = await shared.new_token(WITH_CRYPTOGRAM), await shared.new_token(WITH_CRYPTOGRAM)
    await cryptogram(shared, one, "number")
    assert (await cryptogram(shared, other, "number")).atc == 1


@loops
@pytest.mark.parametrize("window_s", [60, 900])
async def test_a_cryptogram_is_good_until_it_says(spare: EmbeddedStore, window_s: int) -> None:
    async with started(spare, cryptogram_window_s=window_s) as tsp:
        token = await tsp.new_token(WITH_CRYPTOGRAM)
        made, late = await cryptogram(tsp, token, "number"), await cryptogram(tsp, token, "number")
        until = tsp.clock.now() + timedelta(seconds=window_s)
        assert made.expires_at == f"{until:%Y-%m-%dT%H:%M:%SZ}"

        tsp.clock.advance(timedelta(seconds=window_s))
        assert (await tsp.vault.Detokenise(use(token, made.cryptogram))).pan
        tsp.clock.advance(timedelta(seconds=1))
        assert (await tsp.vault.Detokenise(use(token, late.cryptogram))).response_code == "82"


@loops
async def test_a_token_is_named_in_exactly_one_way(shared: Provider) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    for fields in (
        {"token_reference_id": token.token_reference_id},
        {"payment_token": "", "token_expiry": ""},
        {"token_expiry": ""},
    ):
        with pytest.raises(InvalidField, match="payment_token"):
            await shared.request_cryptogram(token, **fields)


@loops
@pytest.mark.parametrize("by", BY)
async def test_no_cryptogram_is_made_that_could_not_be_used(shared: Provider, by: str) -> None:
    token = await shared.new_token(WITH_CRYPTOGRAM)
    await shared.act("issuer", "Suspend", token)
    assert await cryptogram(shared, token, by) == ts.RequestCryptogramResponse(response_code="62")
    await shared.act("issuer", "Unlink", token)
    assert await cryptogram(shared, token, by) == ts.RequestCryptogramResponse(response_code="78")


# Numbers.


@given(range_=st.sampled_from(CARD_RANGES), chance=st.text("0123456789", min_size=19, max_size=19))
def test_whatever_chance_draws_is_a_token_of_the_cards_product_and_never_a_card(range_: CardRange, chance: str) -> None:
    token = token_number(range_, chance).reveal()

    assert len(token) == 16
    assert luhn_valid(token)
    assert token_range(token) is range_
    assert token_fault(token) is None
    assert card_range(token) is None
    assert pan_fault(token)


def test_the_ranges_of_tokens_and_cards_have_nothing_in_common() -> None:
    spans = sorted(
        span for range_ in CARD_RANGES for span in ((range_.low, range_.high), (range_.token_low, range_.token_high))
    )
    assert all(low <= high for low, high in spans)
    assert all(before[1] < after[0] for before, after in zip(spans, spans[1:], strict=False))


@pytest.mark.parametrize("range_", CARD_RANGES, ids=lambda range_: range_.product_id)
def test_chance_reaches_both_ends_of_a_range(range_: CardRange) -> None:
    bins = {
        token_number(range_, f"{number:07}{bin_:012}").reveal()[:8] for number in (0, 9_999_999) for bin_ in range(100)
    }
    assert (min(bins), max(bins), len(bins)) == (range_.token_low, range_.token_high, 100)
