"""Every line at which the shop can die between a payment and keeping its card: who is told of a card finds it on file.

And nothing is on file of a payment that was given back. As in test_crashes.py, each call to store or neighbour in turn
is the last, or in vain, or its answer is lost.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from browser_neighbours import TYPED, house_of_browsers
from houses import REQUESTOR_IDS, MerchantHouse, Process, order
from neighbours import CRYPTOGRAM, TOKEN
from test_crashes import FATES, Fate

from cardnet.card import Expiry, PaymentToken
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Fault, Unavailable
from cardnet.journal import ABANDONED_AFTER_S
from cardnet.tokenized_card import TokenizedCard as Details
from cardnet.tokenized_card import encrypt
from cardnet.v1.merchant_pb2 import CheckoutRequest, TokenizedCard
from cardnet.v1.token_pb2 import TokenUsage
from services.merchant.domain import card_on_file_id

DETAILS = Details(token=PaymentToken(TOKEN), token_expiry=Expiry(2029, 11), cryptogram=CRYPTOGRAM)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedStore]:
    with EmbeddedStore.start(None, ("merchant",)) as server:
        yield server


@pytest.fixture
async def house(server: EmbeddedStore) -> AsyncIterator[MerchantHouse]:
    async with await house_of_browsers(server) as house:
        yield house


async def typed(_house: MerchantHouse) -> CheckoutRequest:
    return order(browser_card=TYPED, save_for_customer_id="alice")


async def from_wallet(house: MerchantHouse) -> CheckoutRequest:
    house.tsp.requestor = REQUESTOR_IDS.recurring  # whose tokens serve payments that the shop begins, too
    details = encrypt(DETAILS.members, (await house.payment_keys.key()).jwk)
    card = TokenizedCard(encrypted_details=details, usage=TokenUsage.TOKEN_USAGE_CARD_ON_FILE)
    return order(tokenized_card=card, save_for_customer_id="alice")


async def outcome(shop: Process, request: CheckoutRequest) -> Any:
    """The answer, or the fault."""
    try:
        return await shop.calls.Checkout(request)
    except Fault as fault:
        return fault


async def on_file(shop: Process) -> bool:
    """Whether the card is on file. In either case it is of this customer and this token."""
    return bool(await shop.store.command("EXISTS", f"merchant:{{card:{card_on_file_id('alice', 'reference-1')}}}"))


@pytest.mark.parametrize("at", range(1, 11))
@pytest.mark.parametrize("what", FATES)
@pytest.mark.parametrize("source", [typed, from_wallet])
async def test_a_card_is_on_file_where_its_payment_stands_and_nowhere_else(house, source, what, at) -> None:
    request, fated = await source(house), house.start()
    fate = Fate(fated, what, at)
    told = await outcome(fated, request)

    # Another process takes over, and time passes; then the customer asks again.
    after = house.start()
    await after.later(ABANDONED_AFTER_S)
    await after.later()
    again = await outcome(after, request)
    await after.later(ABANDONED_AFTER_S)

    paid = getattr(again, "approved", False)
    assert paid or (isinstance(again, Unavailable) and again.reason == "OUTCOME_UNKNOWN_REVERSED")
    assert len(house.acquirer.approved) == paid
    assert await on_file(after) is paid
    if paid:
        assert again.card_on_file_id == card_on_file_id("alice", "reference-1")
        assert (await after.calls.Checkout(order("order-2", card_on_file_id=again.card_on_file_id))).approved
    if getattr(told, "approved", False):
        assert told == again
    assert fate.calls >= at or getattr(told, "approved", False), "this fate never came: the payment went well"
