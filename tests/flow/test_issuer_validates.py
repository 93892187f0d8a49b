"""Step 4, the alternative: the issuer has the keys and validates the cryptogram itself (A46)."""

from collections.abc import AsyncIterator
from datetime import datetime

import pytest
import pytest_asyncio
from patience import patient
from refusals import altered
from shop import PRICE, SHOP, WITH_CRYPTOGRAM, Shop, changed
from tap import Tap

from cardnet import cryptogram
from cardnet.card import PaymentToken
from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest
from cardnet.cde.v1.token_vault_pb2 import Control, OnBehalfOfValidation
from cardnet.response_code import ResponseCode as Code
from cardnet.steps import STEPS, WITHOUT_ISSUER
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "000102030405060708090A0B0C0D0E0F"
NOW = "2026-01-15T09:00:00Z"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(module_tap: Tap) -> AsyncIterator[LocalNetwork]:
    settings = {
        "tsp": {"cryptogram_validation": "issuer", "cryptogram_key": KEY},
        "issuer": {"cryptogram_key": KEY},
    }
    async with LocalNetwork(in_process=True, frozen_at=NOW, tap=module_tap, settings=patient(settings)) as network:
        yield network


async def test_the_issuer_finds_a_cryptogram_right(network: LocalNetwork, tap: Tap) -> None:
    shop = Shop(network)
    token = await shop.with_cryptogram(await shop.new_token(WITH_CRYPTOGRAM))

    payment = await shop.checkout(token)

    assert payment.approved
    assert payment.steps == STEPS
    asked = tap.only(AuthoriseRequest)
    assert asked.cryptogram == token.cryptogram
    left = OnBehalfOfValidation.ON_BEHALF_OF_VALIDATION_CRYPTOGRAM_LEFT_TO_ISSUER
    assert asked.on_behalf_of_validation == left
    assert Control.CONTROL_CRYPTOGRAM not in asked.controls_passed


@pytest.mark.parametrize("fault", ["altered", "another token's", "another amount"])
async def test_the_issuer_refuses_a_wrong_cryptogram(network: LocalNetwork, fault: str) -> None:
    shop = Shop(network)
    token = await shop.with_cryptogram(await shop.new_token(WITH_CRYPTOGRAM))
    wrong = {
        "altered": changed(token, cryptogram=altered(token.cryptogram, 1)),
        "another token's": changed(await shop.new_token(), cryptogram=token.cryptogram),
        "another amount": token,
    }[fault]

    payment = await shop.checkout(wrong, "12.41 USD" if fault == "another amount" else PRICE)

    assert payment.response_code is Code.CRYPTOGRAM_FAILURE
    assert payment.steps == STEPS
    # A wrong guess does not use the right one up.
    assert (await shop.checkout(token)).approved


async def test_the_issuer_lets_a_cryptogram_be_used_once(network: LocalNetwork) -> None:
    shop, card = Shop(network), await network.open_account()
    token = await shop.with_cryptogram(await shop.token(card, WITH_CRYPTOGRAM))

    assert (await shop.checkout(token)).approved
    assert (await shop.checkout(token)).response_code is Code.CRYPTOGRAM_FAILURE
    assert (await network.account(card)).holds == 1


async def test_all_else_is_still_checked_by_the_token_service_provider(network: LocalNetwork) -> None:
    shop = Shop(network)

    missing = await shop.checkout(await shop.new_token(WITH_CRYPTOGRAM))

    assert missing.response_code is Code.SECURITY_VIOLATION
    assert missing.steps == WITHOUT_ISSUER


async def test_a_cryptogram_is_generated_from_the_token_data(network: LocalNetwork) -> None:
    """Whoever has the key makes the same one from the fields of the message: token, requestor, merchant, amount."""
    shop = Shop(network)
    token = await shop.with_cryptogram(await shop.new_token(), PRICE)
    key = cryptogram.CryptogramKey(bytes.fromhex(KEY))
    container = cryptogram.read(token.cryptogram)
    purchase = cryptogram.Purchase(1240, "840", "840", token.token_requestor_id, SHOP.merchant_domain, SHOP.merchant_id)

    today = datetime.fromisoformat(NOW).date()
    number = PaymentToken(token.payment_token)
    again = key.make(number, container.atc, container.unpredictable_number, purchase, today)
    assert again == token.cryptogram
