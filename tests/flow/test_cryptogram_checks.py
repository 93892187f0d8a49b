"""Step 4: the cryptogram: always validated where it is there, and required where the domain says so (A44)."""

from datetime import timedelta

import pytest
from refusals import altered, refused
from shop import ON_FILE, WITH_CRYPTOGRAM, Shop, changed
from tap import Tap

from cardnet.cde.v1.token_vault_pb2 import Control, DetokeniseResponse
from cardnet.response_code import ResponseCode as Code
from cardnet.steps import STEPS
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_right_cryptogram_passes_every_control(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    token = await shop.with_cryptogram(await shop.new_token(WITH_CRYPTOGRAM))

    payment = await shop.checkout(token)

    assert payment.approved
    assert payment.steps == STEPS
    assert tap.only(DetokeniseResponse).controls_passed == Control.values()[1:8]


async def test_a_missing_cryptogram_is_refused_where_the_domain_wants_one(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)

    payment = await shop.checkout(await shop.new_token(WITH_CRYPTOGRAM))

    refused(payment, tap, Code.SECURITY_VIOLATION, "CRYPTOGRAM_MISSING")


@pytest.mark.parametrize("requestor", [ON_FILE, WITH_CRYPTOGRAM], ids=["optional", "required"])
@pytest.mark.parametrize(
    ("place", "reason"),
    [(0, "FORMAT"), (1, "WRONG"), (10, "WRONG"), (14, "WRONG"), (17, "KEY_UNKNOWN"), (18, "FORMAT")],
    ids=["format", "mac", "counter", "unpredictable number", "key index", "version"],
)
async def test_an_altered_cryptogram_is_refused_also_where_it_is_optional(
    network: LocalNetwork, tap: Tap, requestor: str, place: int, reason: str
) -> None:
    shop = Shop(network)
    token = await shop.with_cryptogram(await shop.new_token(requestor))

    payment = await shop.checkout(changed(token, cryptogram=altered(token.cryptogram, place)))

    refused(payment, tap, Code.CRYPTOGRAM_FAILURE, f"CRYPTOGRAM_{reason}")
    # A wrong guess does not use the right one up.
    assert (await shop.checkout(token)).approved


@pytest.mark.parametrize("amount", ["12.41 USD", "12.40 EUR", "1.24 USD"])
async def test_a_cryptogram_is_good_for_its_own_amount_alone(network: LocalNetwork, tap: Tap, amount: str) -> None:
    shop = Shop(network)
    token = await shop.with_cryptogram(await shop.new_token(), "12.40 USD")

    refused(await shop.checkout(token, amount), tap, Code.CRYPTOGRAM_FAILURE, "CRYPTOGRAM_WRONG")


async def test_a_cryptogram_is_used_up_by_one_payment(network: LocalNetwork, tap: Tap) -> None:
    shop, card = Shop(network), await network.open_account()
    token = await shop.with_cryptogram(await shop.token(card))
    assert (await shop.checkout(token)).approved
    tap.exchanges.clear()

    refused(await shop.checkout(token), tap, Code.CRYPTOGRAM_FAILURE, "CRYPTOGRAM_REPLAYED")
    assert (await network.account(card)).holds == 1


async def test_a_cryptogram_is_good_for_fifteen_minutes_also_over_midnight(later: LocalNetwork, tap: Tap) -> None:
    shop = Shop(later)
    token = await shop.new_token()
    young, old = await shop.with_cryptogram(token), await shop.with_cryptogram(token)

    later.advance(timedelta(minutes=15))
    assert (await shop.checkout(young)).approved

    tap.exchanges.clear()
    later.advance(timedelta(milliseconds=1))
    refused(await shop.checkout(old), tap, Code.CRYPTOGRAM_FAILURE, "CRYPTOGRAM_EXPIRED")
