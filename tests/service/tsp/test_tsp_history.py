"""Which token and card a transaction was made with, whatever became of them since (EMVCo framework 2.3, 10.13)."""

import pytest
from tsp_provider import ON_FILE, OTHERS, UNKNOWN_TOKEN, WITH_CRYPTOGRAM, Provider, use

from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.errors import InvalidField
from cardnet.v1.token_pb2 import TOKEN_STATE_ACTIVE, TOKEN_STATE_DELETED
from cardnet.v1.token_service_pb2 import RequestTokenResponse

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_FOUND = pb.FindTransactionResponse(response_code="25")


async def test_a_transaction_is_found_by_its_token_and_by_its_card(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(ON_FILE, pan)
    asked = use(token)
    await shared.vault.Detokenise(asked)

    for found in (await shared.find(asked), await shared.find(asked, pan)):
        assert (found.response_code, found.payment_token, found.pan) == ("00", token.payment_token, pan)
        assert found.token == await shared.shown(token)
        assert found.token.state == TOKEN_STATE_ACTIVE


async def test_it_is_found_after_the_token_was_deleted(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(ON_FILE, pan)
    asked = use(token)
    await shared.vault.Detokenise(asked)
    await shared.act("merchant", "Unlink", token)

    for found in (await shared.find(asked), await shared.find(asked, pan)):
        assert (found.payment_token, found.pan) == (token.payment_token, pan)
        assert found.token.state == TOKEN_STATE_DELETED
    assert (await shared.recall(asked)).pan == pan


async def test_it_is_found_among_a_cards_tokens_when_there_is_another_by_now(shared: Provider) -> None:
    pan = shared.new_pan()
    first = await shared.new_token(ON_FILE, pan)
    before = use(first)
    await shared.vault.Detokenise(before)
    await shared.act("merchant", "Unlink", first)
    second = await shared.new_token(ON_FILE, pan)
    third = await shared.new_token(OTHERS, pan)
    after = use(second)
    await shared.vault.Detokenise(after)

    assert len({first.payment_token, second.payment_token, third.payment_token}) == 3
    assert (await shared.find(before, pan)).payment_token == first.payment_token
    assert (await shared.find(after, pan)).payment_token == second.payment_token


async def test_after_the_card_was_replaced_it_is_the_token_and_the_old_card(shared: Provider) -> None:
    pan, successor = shared.new_pan(), shared.new_pan()
    token = await shared.new_token(ON_FILE, pan)
    before = use(token)
    await shared.vault.Detokenise(before)
    assert (await shared.replace_pan(pan, successor)).response_code == "00"
    after = use(token)
    assert (await shared.vault.Detokenise(after)).pan == successor

    for found in (await shared.find(before), await shared.find(before, pan)):
        assert (found.payment_token, found.pan) == (token.payment_token, pan)
        assert found.token.pan_last_four == successor[-4:]  # as it stands now
    for found in (await shared.find(after), await shared.find(after, successor)):
        assert (found.payment_token, found.pan) == (token.payment_token, successor)
    # Each was made with one card, and with the other it was not.
    assert await shared.find(before, successor) == await shared.find(after, pan) == NOT_FOUND


async def test_a_reversal_after_a_replacement_gets_the_card_that_was_charged(shared: Provider) -> None:
    pan, successor = shared.new_pan(), shared.new_pan()
    token = await shared.new_token(ON_FILE, pan)
    before = use(token)
    await shared.vault.Detokenise(before)
    await shared.replace_pan(pan, successor)
    after = use(token)
    await shared.vault.Detokenise(after)

    assert [(await shared.recall(asked)).pan for asked in (before, after)] == [pan, successor]
    await shared.act("issuer", "Unlink", token)
    assert [(await shared.recall(asked)).pan for asked in (before, after)] == [pan, successor]
    assert [(await shared.find(asked)).pan for asked in (before, after)] == [pan, successor]


async def test_what_never_passed_here_is_not_found(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(ON_FILE, pan)
    refused = use(token, trid=WITH_CRYPTOGRAM)
    assert (await shared.vault.Detokenise(refused)).refusal
    passed = use(token)
    await shared.vault.Detokenise(passed)

    for asked in (use(token), refused):
        assert await shared.find(asked) == await shared.find(asked, pan) == NOT_FOUND
    # A transaction with another token, a card with no tokens, and a token that nobody issued.
    other = await shared.new_token()
    assert await shared.find(use(other, transaction=passed.transaction)) == NOT_FOUND
    assert await shared.find(passed, shared.new_pan()) == NOT_FOUND
    nobodys = RequestTokenResponse(payment_token=UNKNOWN_TOKEN, token_expiry="2911")
    assert await shared.find(use(nobodys, transaction=passed.transaction)) == NOT_FOUND


@pytest.mark.parametrize(
    ("part", "value"),
    [("acquirer_id", "99990000002"), ("stan", "999999"), ("transmission_time", "1122235001"), ("rrn", "632699999999")],
)
async def test_every_part_of_a_transactions_name_counts(shared: Provider, part: str, value: str) -> None:
    asked = use(await shared.new_token())
    await shared.vault.Detokenise(asked)
    setattr(asked.transaction, part, value)

    assert await shared.find(asked) == NOT_FOUND


async def test_looking_for_a_transaction_changes_nothing(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(ON_FILE, pan)
    asked = use(token)

    assert await shared.find(asked) == await shared.find(asked, pan) == NOT_FOUND
    assert (await shared.vault.Detokenise(asked)).pan == pan  # other than after a recall


async def test_a_reversed_transaction_is_still_found(shared: Provider) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(ON_FILE, pan)
    asked = use(token)
    await shared.vault.Detokenise(asked)
    await shared.recall(asked)

    assert (await shared.find(asked)).pan == (await shared.find(asked, pan)).pan == pan


async def test_a_transaction_is_looked_for_by_exactly_one_of_token_and_card(shared: Provider) -> None:
    pan = shared.new_pan()
    asked = use(await shared.new_token(ON_FILE, pan))
    both = pb.FindTransactionRequest(
        transaction=asked.transaction, payment_token=asked.token_data.payment_token, pan=pan
    )
    neither = pb.FindTransactionRequest(transaction=asked.transaction)

    for request in (both, neither):
        with pytest.raises(InvalidField, match="payment_token"):
            await shared.vault.FindTransaction(request)


async def test_a_repeat_after_a_replacement_is_still_the_same_transaction(shared: Provider) -> None:
    pan, successor = shared.new_pan(), shared.new_pan()
    token = await shared.new_token(ON_FILE, pan)
    asked = use(token)
    first = await shared.vault.Detokenise(asked)
    await shared.replace_pan(pan, successor)
    repeated = await shared.vault.Detokenise(asked)
    assert (repeated.pan, repeated.pan_expiry) == (first.pan, first.pan_expiry)
    assert repeated.pan == (await shared.recall(asked)).pan
