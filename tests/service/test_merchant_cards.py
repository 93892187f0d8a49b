"""Cards on file that wait for a passcode, and payments that the shop begins itself: real store, small neighbours."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from houses import SHOP, MerchantHouse, Process, card, order
from neighbours import CRYPTOGRAM, PAR, STEP_UP, TOKEN, emptied, hang

from cardnet.cardholder import Cardholder, CardOnFile
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InvalidField, KeyReused, NotFound, TimedOut, Unavailable
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest
from cardnet.v1.merchant_pb2 import ConfirmCardRequest, ConfirmCardResponse, SaveCardResponse
from cardnet.v1.payment_pb2 import Initiator, TokenData
from cardnet.v1.token_service_pb2 import ConfirmCardholderRequest, RequestCryptogramRequest

ORIGINAL = "632609000001"
BY_MERCHANT = Initiator.INITIATOR_MERCHANT


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("merchant",)) as server:
        yield server


@pytest.fixture
async def house(server: EmbeddedStore) -> AsyncIterator[MerchantHouse]:
    await emptied(server)
    async with MerchantHouse(server) as house:
        yield house


async def saved(house: MerchantHouse, passcode: str = "") -> tuple[Process, SaveCardResponse]:
    """A shop, and a card that it has on file and whose issuer sent a passcode, if one is given."""
    house.tsp.passcode = passcode
    shop = house.start()
    answer = await shop.calls.SaveCard(card())
    house.tsp.asked.clear()
    return shop, answer


def typed(passcode: str, on_file: SaveCardResponse, customer_id: str = "alice") -> ConfirmCardRequest:
    return ConfirmCardRequest(customer_id=customer_id, card_on_file_id=on_file.card_on_file_id, passcode=passcode)


# A card that waits for a passcode.


async def test_a_card_whose_issuer_sent_a_passcode_is_saved_and_the_customer_hears_of_it(house) -> None:
    shop, on_file = await saved(house, "123456")
    assert (on_file.saved, on_file.response_code, on_file.decision) == (True, "00", STEP_UP)
    assert on_file.token_reference_id == "reference-1"
    assert on_file.notice.startswith("The card is saved. Your bank sent you a passcode")
    await shop.calls.Checkout(order(card_on_file_id=on_file.card_on_file_id))  # it is on file: step 4 has the last word
    assert house.acquirer.asked[0].token_data.payment_token == TOKEN


async def test_the_passcode_goes_to_the_token_service_provider_and_its_answer_comes_back_in_words(house) -> None:
    shop, on_file = await saved(house, "123456")

    wrong, right, again = [
        await shop.calls.ConfirmCard(typed(passcode, on_file)) for passcode in ("654321", "123456", "123456")
    ]

    assert house.tsp.asked[0] == ConfirmCardholderRequest(
        token_requestor_id="00000000001", token_reference_id="reference-1", passcode="654321"
    )
    assert wrong == ConfirmCardResponse(
        response_code="55",
        notice="The card was not confirmed: the passcode is wrong. Please try again.",
        tries_left=2,
    )
    assert right == ConfirmCardResponse(confirmed=True, response_code="00", notice="Thank you. The card is confirmed.")
    assert (again.confirmed, again.response_code) == (False, "78")


async def test_nobody_confirms_anothers_card_and_it_seems_not_to_be_there(house) -> None:
    shop, on_file = await saved(house, "123456")
    for request in (
        typed("123456", on_file, "mallory"),
        typed("123456", SaveCardResponse(card_on_file_id="card-unknown")),
    ):
        with pytest.raises(NotFound, match="save the card first") as fault:
            await shop.calls.ConfirmCard(request)
        assert fault.value.reason == "CARD_NOT_ON_FILE"
    assert house.tsp.asked == []


@pytest.mark.parametrize("passcode", ["", "12345", "1234567", "12345x", "١٢٣٤٥٦", "123456\n"])
async def test_what_cannot_be_a_passcode_is_refused_unseen(house, passcode) -> None:
    shop, on_file = await saved(house, "123456")
    with pytest.raises(InvalidField) as violation:
        await shop.calls.ConfirmCard(typed(passcode, on_file))
    assert violation.value.field == "passcode"
    assert not passcode or passcode not in str(violation.value)
    assert house.tsp.asked == []


async def test_a_silent_token_service_provider_confirms_nothing(house) -> None:
    _, on_file = await saved(house, "123456")
    house.tsp.then = hang
    with pytest.raises(TimedOut):
        await house.start().calls.ConfirmCard(typed("123456", on_file))
    house.tsp.then, house.tsp.fault = None, Unavailable("AWAY", "away")
    with pytest.raises(Unavailable):
        await house.start().calls.ConfirmCard(typed("123456", on_file))


async def test_a_cardholder_gives_the_shop_a_passcode(house) -> None:
    shop, on_file = await saved(house, "123456")
    seen = CardOnFile(on_file.card_on_file_id, "0012", "0014", PAR, on_file.token_reference_id, passcode_awaited=True)
    told = {}
    for customer in ("alice", "mallory"):
        cardholder = Cardholder(shop.channel, shop.channel, customer)
        told[customer] = [await said(cardholder, seen, passcode) for passcode in ("111111", "123456")]
    assert told == {"alice": ["55", "00"], "mallory": ["CARD_NOT_ON_FILE"] * 2}


async def said(cardholder: Cardholder, seen: CardOnFile, passcode: str) -> str:
    try:
        return (await cardholder.confirm(seen, passcode)).response_code
    except NotFound as fault:
        return fault.reason


# A payment that the shop begins.


async def test_a_payment_that_the_shop_begins_says_so_and_names_the_customers_own(house) -> None:
    shop, on_file = await saved(house)

    answer = await shop.calls.Checkout(order(card_on_file_id=on_file.card_on_file_id, original_rrn=ORIGINAL))

    assert answer.approved
    assert house.tsp.asked == [
        RequestCryptogramRequest(
            token_requestor_id="00000000001",
            payment_token=TOKEN,
            token_expiry="2911",
            merchant=SHOP,
            amount_minor=1250,
            currency="978",
            initiator=BY_MERCHANT,
            original_rrn=ORIGINAL,
        )
    ]
    assert house.acquirer.asked == [
        SubmitPaymentRequest(
            payment_reference="order-1",
            token_data=TokenData(
                payment_token=TOKEN,
                token_expiry="2911",
                token_requestor_id="00000000001",
                cryptogram=CRYPTOGRAM,
                initiator=BY_MERCHANT,
                original_rrn=ORIGINAL,
            ),
            merchant=SHOP,
            amount_minor=1250,
            currency="978",
            pos_entry_mode=10,
        )
    ]


async def test_what_the_shop_begins_is_a_credential_on_file_whatever_the_tokens_domain_says(house) -> None:
    house.tsp.pos_entry_modes = [81]
    shop, on_file = await saved(house)
    await shop.calls.Checkout(order(card_on_file_id=on_file.card_on_file_id, original_rrn=ORIGINAL))
    assert house.acquirer.asked[0].pos_entry_mode == 10


async def test_where_no_cryptogram_is_made_the_payment_still_says_who_began(house) -> None:
    shop, on_file = await saved(house)
    house.tsp.response_code = "57"
    await shop.calls.Checkout(order(card_on_file_id=on_file.card_on_file_id, original_rrn=ORIGINAL))
    token_data = house.acquirer.asked[0].token_data
    assert (token_data.cryptogram, token_data.initiator, token_data.original_rrn) == ("", BY_MERCHANT, ORIGINAL)


async def test_the_customer_begins_where_nothing_else_is_said(house) -> None:
    shop, on_file = await saved(house)
    await shop.calls.Checkout(order(card_on_file_id=on_file.card_on_file_id))
    assert house.tsp.asked[0].initiator == house.acquirer.asked[0].token_data.initiator == 0
    assert house.acquirer.asked[0].token_data.original_rrn == ""


async def test_token_data_of_the_callers_own_carry_their_own_original(house) -> None:
    shop = house.start()
    own = TokenData(payment_token=TOKEN, token_expiry="2911", initiator=BY_MERCHANT, original_rrn=ORIGINAL)

    with pytest.raises(InvalidField) as violation:
        await shop.calls.Checkout(order(token_data=own, original_rrn=ORIGINAL))
    assert violation.value.field == "original_rrn"
    assert house.acquirer.asked == []

    assert (await shop.calls.Checkout(order(token_data=own))).approved
    assert house.acquirer.asked[0].token_data == own


async def test_one_key_is_one_payment_whoever_begins(house) -> None:
    shop, on_file = await saved(house)
    id_ = on_file.card_on_file_id
    requests = (order(card_on_file_id=id_, original_rrn=ORIGINAL) for _ in range(8))
    outcomes = await asyncio.gather(*map(shop.calls.Checkout, requests), return_exceptions=True)
    assert [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
    assert len(house.acquirer.asked) == 1
    with pytest.raises(KeyReused):
        await shop.calls.Checkout(order(card_on_file_id=id_))
