"""A card whose issuer asks its holder for a one-time passcode: from saving it to the payment that it allows."""

from asyncio import gather
from collections import Counter
from typing import NamedTuple

import pytest
from tap import Tap

from cardnet.card import luhn_digit
from cardnet.cardholder import Cardholder, CardOnFile
from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest, OpenAccountRequest, ReadPasscodeRequest
from cardnet.cde.v1.issuer_pb2_grpc import IssuerOperatorStub
from cardnet.identity import OPERATOR
from cardnet.response_code import ResponseCode as Code
from cardnet.steps import STEPS, WITHOUT_ISSUER
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Customer(NamedTuple):
    """Somebody with a card of their own, and the telephone that their issuer writes to."""

    network: LocalNetwork
    cardholder: Cardholder
    pan: str

    async def save(self) -> CardOnFile:
        return await self.cardholder.save_card(self.pan, "3011")

    async def confirm(self, card: CardOnFile, passcode: str) -> str:
        return (await self.cardholder.confirm(card, passcode)).response_code

    async def telephone(self, card: CardOnFile) -> str:
        issuer = self.network.stub(IssuerOperatorStub, "issuer", OPERATOR)
        request = ReadPasscodeRequest(token_reference_id=card.token_reference_id)
        return (await issuer.ReadPasscode(request)).passcode


async def customer(network: LocalNetwork, number: int, verification: str = "PASSCODE") -> Customer:
    """A customer whose issuer verifies them so. number: of the card, one for each test."""
    digits = f"99990071{number:07}"
    pan = digits + luhn_digit(digits)
    account = {"pan_expiry": "3011", "balance_minor": 10_000, "currency": "840", "status": "ACCOUNT_STATUS_OPEN"}
    request = OpenAccountRequest(pan=pan, verification=f"VERIFICATION_{verification}", **account)
    assert (await network.stub(IssuerOperatorStub, "issuer", OPERATOR).OpenAccount(request)).response_code == "00"
    return Customer(network, network.cardholder(), pan)


def wrong(passcode: str, by: int = 1) -> str:
    return f"{(int(passcode) + by) % 1_000_000:06}"


async def test_a_card_pays_once_its_holder_gave_the_passcode(network: LocalNetwork, tap: Tap) -> None:
    alice = await customer(network, 1)
    card = await alice.save()
    assert card.passcode_awaited
    early = await network.checkout(card, "12.40 USD")
    assert (early.response_code, early.steps) == (Code.TOKEN_NOT_IN_USE, WITHOUT_ISSUER)

    assert await alice.confirm(card, await alice.telephone(card)) == "00"

    payment = await network.checkout(card, "12.40 USD")
    assert (payment.response_code, payment.steps) == (Code.APPROVED, STEPS)
    asked = tap.only(AuthoriseRequest)
    assert (asked.token_assurance_level, asked.token_assurance_data) == ("11", "issuer one-time passcode")
    assert not (await alice.save()).passcode_awaited


async def test_after_three_wrong_passcodes_only_another_one_helps(network: LocalNetwork) -> None:
    alice = await customer(network, 2)
    card = await alice.save()
    first = await alice.telephone(card)

    answers = await gather(*(alice.confirm(card, wrong(first, by)) for by in range(1, 9)))
    assert Counter(answers) == {"55": 2, "75": 6}
    assert await alice.confirm(card, first) == "75"
    assert (await network.checkout(card, "1.00 USD")).response_code is Code.TOKEN_NOT_IN_USE

    again = await alice.save()
    assert again == card
    assert await alice.confirm(again, await alice.telephone(again)) == "00"
    assert (await network.checkout(card, "1.00 USD")).approved


async def test_where_no_passcode_is_right_the_card_never_pays(network: LocalNetwork) -> None:
    alice = await customer(network, 3, "PASSCODE_WRONG")
    card = await alice.save()
    passcode = await alice.telephone(card)
    assert [await alice.confirm(card, passcode) for _ in range(3)] == ["55", "55", "75"]
    assert (await network.checkout(card, "1.00 USD")).response_code is Code.TOKEN_NOT_IN_USE
