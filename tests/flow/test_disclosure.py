"""De-tokenisation without verification (EMVCo framework 2.3, table 8.6): a right of its own, and not the network's."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from parties import Parties
from patience import patient
from shop import Shop, changed

from cardnet.cde.v1.token_vault_pb2 import DetokeniseWithoutVerificationRequest, DetokeniseWithoutVerificationResponse
from cardnet.cde.v1.token_vault_pb2_grpc import TokenDisclosureStub
from cardnet.errors import NotPermitted, Unauthenticated
from cardnet.identity import DISCLOSER, ISSUER, MERCHANT, NETWORK, OPERATOR
from cardnet.stage import OTHER_SHOP
from cardnet.testing import LocalNetwork
from cardnet.v1.payment_pb2 import TokenData

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disclosure")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(folder: Path) -> AsyncIterator[LocalNetwork]:
    async with LocalNetwork(in_process=True, data_dir=folder, settings=patient()) as network:
        yield network


async def disclosed(
    network: LocalNetwork, token: TokenData, as_: str = DISCLOSER
) -> DetokeniseWithoutVerificationResponse:
    request = DetokeniseWithoutVerificationRequest(
        payment_token=token.payment_token,
        token_expiry=token.token_expiry,
        token_requestor_id=token.token_requestor_id,
    )
    answer: DetokeniseWithoutVerificationResponse = await network.stub(
        TokenDisclosureStub, "tsp", as_
    ).DetokeniseWithoutVerification(request)
    return answer


def audited(folder: Path) -> list[dict[str, str]]:
    """What the audit log says of disclosures."""
    lines = (folder / "tsp.audit").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line.get("op") == "disclose"]


async def test_the_discloser_learns_the_card_and_it_is_written_down(network: LocalNetwork, folder: Path) -> None:
    card = await network.open_account()
    token = await Shop(network).token(card)
    before = len(audited(folder))

    told = await disclosed(network, token)

    shown = await Parties(network).shown(token)
    assert (told.response_code, told.pan, told.pan_expiry, told.par) == ("00", card.pan, card.expiry, shown.par)
    [line] = audited(folder)[before:]
    assert (line["ref"], line["caller"], line["result"]) == (shown.token_reference_id, DISCLOSER, "told")
    assert card.pan not in (folder / "tsp.audit").read_text()
    assert token.payment_token not in (folder / "tsp.audit").read_text()


@pytest.mark.parametrize(
    "as_", [NETWORK, MERCHANT, "other-merchant", "acquirer", ISSUER, "other-issuer", OPERATOR, "cardholder"]
)
async def test_nobody_else_learns_it_and_least_of_all_the_network(
    network: LocalNetwork, folder: Path, as_: str
) -> None:
    token = await Shop(network).new_token()
    before = len(audited(folder))

    with pytest.raises((NotPermitted, Unauthenticated)):
        await disclosed(network, token, as_)

    assert len(audited(folder)) == before


async def test_who_may_disclose_may_do_nothing_else(network: LocalNetwork) -> None:
    token = await Shop(network).new_token()
    with pytest.raises(NotPermitted):
        await Parties(network).ask(DISCLOSER, "Suspend", token)
    assert (await Shop(network).checkout(token)).approved


async def test_neither_domain_nor_suspension_is_in_the_way_and_deletion_is(network: LocalNetwork) -> None:
    card = await network.open_account()
    shop = Shop(network, identity="other-merchant")
    token = await shop.token(card, OTHER_SHOP)
    assert (await disclosed(network, token)).pan == card.pan

    parties = Parties(network)
    await parties.ask(OPERATOR, "Suspend", token)
    assert (await disclosed(network, token)).pan == card.pan
    await parties.ask(OPERATOR, "Unlink", token)
    told = await disclosed(network, token)
    assert (told.response_code, told.pan, told.par) == ("78", "", "")


async def test_the_card_of_today_is_told(network: LocalNetwork) -> None:
    card, successor = await network.open_account(), await network.open_account()
    token = await Shop(network).token(card)
    await Parties(network).replace(ISSUER, card, successor)
    assert (await disclosed(network, token)).pan == successor.pan


async def test_a_token_that_is_not_as_described_is_as_unknown_as_none(network: LocalNetwork) -> None:
    token = await Shop(network).new_token()
    unknown = changed(token, payment_token="9999400000000014")
    not_so = [unknown, changed(token, token_expiry="4001"), changed(token, token_requestor_id=OTHER_SHOP)]

    answers = [await disclosed(network, described) for described in not_so]

    assert {answer.SerializeToString() for answer in answers} == {answers[0].SerializeToString()}
    assert (answers[0].response_code, answers[0].pan) == ("14", "")
