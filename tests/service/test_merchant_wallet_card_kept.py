"""Cards from wallets that the shop keeps: how they come on file, and what they pay for from then on."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from browser_neighbours import house_of_browsers
from houses import MerchantHouse, order
from neighbours import OTHER_TOKEN, PAR, TOKEN, hang
from wallets import AGREED, DETAILS, KEPT, ONCE, REQUESTORS, from_wallet, kept_for

from cardnet.card import PaymentToken
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import InvalidField, TimedOut, Unavailable
from cardnet.v1.payment_pb2 import Initiator
from cardnet.v1.token_lifecycle_pb2 import GetTokenRequest
from cardnet.v1.token_service_pb2 import RequestCryptogramRequest

CHECKOUT = "/cardnet.v1.Merchant/Checkout"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("merchant",)) as server:
        yield server


@pytest.fixture
async def house(server: EmbeddedStore) -> AsyncIterator[MerchantHouse]:
    async with await house_of_browsers(server) as house:
        yield house


async def test_a_card_to_be_kept_is_on_file_once_it_has_paid_and_pays_again_without_a_wallet(house) -> None:
    shop = house.start()
    answer = await shop.calls.Checkout(await kept_for(house, KEPT))
    assert answer.card_on_file_id.startswith("card-")
    assert len(house.tsp.of(GetTokenRequest)) == 1

    later = await house.start().calls.Checkout(order("order-2", card_on_file_id=answer.card_on_file_id))
    assert later.approved
    [asked] = house.tsp.of(RequestCryptogramRequest)
    assert (asked.token_requestor_id, asked.payment_token) == (REQUESTORS[KEPT], TOKEN)
    assert [payment.pos_entry_mode for payment in house.acquirer.asked] == [81, 81]


async def test_a_card_is_kept_as_the_token_service_provider_knows_it(house) -> None:
    shop = house.start()
    answer = await shop.calls.Checkout(await kept_for(house, KEPT))
    kept = await shop.store.command("HGETALL", f"merchant:{{card:{answer.card_on_file_id}}}")
    assert {name.decode(): value.decode() for name, value in kept.items()} == {
        "token": TOKEN,
        "token_expiry": "2911",
        "token_requestor_id": REQUESTORS[KEPT],
        "token_reference_id": "reference-1",
        "par": PAR,
        "pan_last_four": "0012",
        "entry_modes": "",
        "usage": "2",
        "agreement_rrn": "",
    }


@pytest.mark.parametrize("stranger", ["another's token", "no token of the shop's"])
async def test_a_token_that_is_not_the_shop_s_is_left_to_step_4_and_never_kept(house, stranger) -> None:
    request = await kept_for(house, KEPT)
    if stranger == "another's token":
        house.tsp.requestor = REQUESTORS[ONCE]
    else:
        details = replace(DETAILS, token=PaymentToken(OTHER_TOKEN), token_requestor_id=REQUESTORS[KEPT])
        request.tokenized_card.CopyFrom(await from_wallet(house, details, KEPT))
    answer = await house.start().calls.Checkout(request)
    assert (answer.approved, answer.card_on_file_id) == (True, "")  # the small neighbour approves of everything


@pytest.mark.parametrize("usage", [KEPT, AGREED])
async def test_a_card_may_pay_without_being_kept(house, usage) -> None:
    request = await kept_for(house, usage)
    request.ClearField("save_for_customer_id")
    answer = await house.start().calls.Checkout(request)
    assert (answer.approved, answer.card_on_file_id) == (True, "")


async def test_nothing_is_sent_where_the_tsp_cannot_describe_the_token_and_the_same_key_pays_later(house) -> None:
    request = await kept_for(house, KEPT)
    house.tsp.then = hang
    with pytest.raises(TimedOut):
        await house.start().calls.Checkout(request)
    assert house.acquirer.asked == house.acquirer.taken_back == []
    house.tsp.then = None
    assert (await house.start().calls.Checkout(request)).card_on_file_id


async def test_nothing_is_kept_where_the_outcome_is_unknown(house) -> None:
    shop, request = house.start(), await kept_for(house, KEPT)

    async def mix_up(response, _call):
        response.payment_token = OTHER_TOKEN

    house.acquirer.then = mix_up
    with pytest.raises(Unavailable):
        await shop.calls.Checkout(request)
    await shop.later(0)
    assert house.acquirer.approved == set()
    assert await shop.store.command("EXISTS", "merchant:{staged:order-1}") == 0


async def test_a_card_for_recurring_payments_pays_for_its_agreement_alone(house) -> None:
    shop = house.start()
    first = await shop.calls.Checkout(await kept_for(house, AGREED))
    assert first.approved

    for original in ("", "632609000002"):
        with pytest.raises(InvalidField, match="accepted only for its agreement") as violation:
            await shop.calls.Checkout(order("order-2", card_on_file_id=first.card_on_file_id, original_rrn=original))
        assert violation.value.field == "original_rrn"
    renewed = order("order-2", card_on_file_id=first.card_on_file_id, original_rrn=first.rrn)
    assert (await shop.calls.Checkout(renewed)).approved
    payment = house.acquirer.asked[-1]
    assert payment.pos_entry_mode == 10
    assert payment.token_data.initiator == Initiator.INITIATOR_MERCHANT
    assert payment.token_data.original_rrn == first.rrn


async def test_a_card_that_was_kept_before_there_were_agreements_is_read_as_it_was_meant(house) -> None:
    shop = house.start()
    id_ = (await shop.calls.Checkout(await kept_for(house, KEPT))).card_on_file_id
    await shop.store.command("HDEL", f"merchant:{{card:{id_}}}", "usage", "agreement_rrn")
    assert (await shop.calls.Checkout(order("order-2", card_on_file_id=id_))).approved
