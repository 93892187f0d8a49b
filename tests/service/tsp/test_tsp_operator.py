"""What the operator sees of tokens and requestors, and how it makes somebody a requestor."""

from typing import Any

import pytest
from tsp_parties import act, pan, request_token, shown, stub
from tsp_provider import ON_FILE, PAN, WITH_CRYPTOGRAM, Provider

from cardnet.cde.v1 import token_operator_pb2 as pb
from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub
from cardnet.errors import InvalidField, NotPermitted
from cardnet.store import Store
from cardnet.v1 import payment_pb2, token_pb2

SHOP = pb.Requestor(
    identity="merchant",
    merchant_ids=["MERCHANT0000001", "MERCHANT0000009"],
    merchant_domain="shop.example",
    pos_entry_modes=[payment_pb2.POS_ENTRY_MODE_ECOMMERCE],
    usage=token_pb2.TOKEN_USAGE_CARD_ON_FILE,
    location=token_pb2.TOKEN_LOCATION_SHARED,
)
URL, SECRET = "https://shop.example/tokens", "0f" * 32


def operator(tsp: Provider) -> Any:
    return stub(tsp, TokenOperatorStub, "operator")


async def pages(tsp: Provider, **asked: str) -> list[Any]:
    """Every page of tokens."""
    found = [await operator(tsp).ListTokens(pb.ListTokensRequest(**asked))]
    while found[-1].next_page:
        found.append(await operator(tsp).ListTokens(pb.ListTokensRequest(page=found[-1].next_page, **asked)))
    return found


async def copied(admin: Store, reference: str, other: str) -> None:
    """Something in the store that looks like a record and is none of ours."""
    row = await admin.command("HGETALL", f"tsp:{{{reference}}}:record")
    await admin.command("HSET", f"issuer:{{{other}}}:record", *(part for item in row.items() for part in item))


async def register(tsp: Provider, **changes: Any) -> Any:
    requestor = pb.Requestor()
    requestor.CopyFrom(SHOP)
    for name, value in changes.items():
        requestor.ClearField(name)  # type: ignore[arg-type]
        requestor.MergeFrom(pb.Requestor(**{name: value}))
    return (await operator(tsp).RegisterRequestor(pb.RegisterRequestorRequest(requestor=requestor))).requestor


async def test_every_token_is_on_some_page_as_it_stands_and_no_number_is(
    tsp: Provider, admin: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.tsp.operator.PAGE", 20)
    issued = [await request_token(tsp, pan(number)) for number in range(100)]
    await act(tsp, "merchant", "Suspend", issued[0].token_reference_id)
    await act(tsp, "merchant", "Unlink", issued[1].token_reference_id)
    await copied(admin, issued[0].token_reference_id, "0" * 32)
    listed = await pages(tsp)
    assert len(listed) > 1
    tokens = {token.token_reference_id: token for page in listed for token in page.tokens}
    assert tokens.keys() == {token.token_reference_id for token in issued}
    for token in issued[:3]:
        assert tokens[token.token_reference_id] == await shown(tsp, token.token_reference_id)
    text = str(listed)
    assert not [token for token in issued if token.payment_token in text]
    assert pan(0) not in text


async def test_the_tokens_of_one_requestor_are_listed(tsp: Provider) -> None:
    ours, strict = await request_token(tsp, PAN, ON_FILE), await request_token(tsp, PAN, WITH_CRYPTOGRAM)
    for token, trid in ((ours, ON_FILE), (strict, WITH_CRYPTOGRAM)):
        (page,) = await pages(tsp, token_requestor_id=trid)
        assert [listed.token_reference_id for listed in page.tokens] == [token.token_reference_id]
    assert not [page for page in await pages(tsp, token_requestor_id="00000000003") if page.tokens]


@pytest.mark.parametrize("page", ["-1", "x", "٣", "1" * 21])
async def test_a_page_that_nobody_named_is_refused(tsp: Provider, page: str) -> None:
    with pytest.raises(InvalidField):
        await operator(tsp).ListTokens(pb.ListTokensRequest(page=page))


async def test_a_registered_requestor_gets_tokens_in_its_domain(tsp: Provider) -> None:
    registered = await register(tsp)
    expected = pb.Requestor()
    expected.CopyFrom(SHOP)
    expected.token_requestor_id = "00000000007"
    assert registered == expected
    token = await request_token(tsp, PAN, registered.token_requestor_id)
    assert list(token.pos_entry_modes) == [payment_pb2.POS_ENTRY_MODE_ECOMMERCE]
    assert (await shown(tsp, token.token_reference_id)).location == token_pb2.TOKEN_LOCATION_SHARED
    listed = (await operator(tsp).ListRequestors(pb.ListRequestorsRequest())).requestors
    assert [requestor.token_requestor_id for requestor in listed] == [f"{n:011}" for n in range(1, 8)]
    assert listed[-1] == registered == await register(tsp)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"token_requestor_id": "00000000009"}, "requestor.token_requestor_id"),
        ({"identity": "network"}, "requestor.identity"),
        ({"merchant_ids": []}, "requestor.merchant_ids"),
        ({"merchant_ids": [f"M{n}" for n in range(51)]}, "requestor.merchant_ids"),
        ({"pos_entry_modes": []}, "requestor.pos_entry_modes"),
        ({"merchant_domain": ""}, "requestor.merchant_domain"),
        ({"usage": 0}, "requestor.usage"),
        ({"webhook_url": URL}, "requestor.webhook_url"),
    ],
)
async def test_what_no_requestor_can_be_is_refused_by_its_field(
    tsp: Provider, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidField) as fault:
        await register(tsp, **changes)
    assert fault.value.field == field
    assert len((await operator(tsp).ListRequestors(pb.ListRequestorsRequest())).requestors) == 6


async def set_webhook(tsp: Provider, trid: str, url: str, secret: str) -> str:
    request = pb.SetWebhookRequest(token_requestor_id=trid, url=url, secret=secret)
    return str((await operator(tsp).SetWebhook(request)).response_code)


async def test_a_webhook_is_shown_by_its_address_and_never_by_its_secret(tsp: Provider) -> None:
    assert await set_webhook(tsp, ON_FILE, URL, SECRET) == "00"
    first, *others = (await operator(tsp).ListRequestors(pb.ListRequestorsRequest())).requestors
    assert first.webhook_url == URL
    assert not any(requestor.webhook_url for requestor in others)
    assert SECRET not in str(first)
    assert await set_webhook(tsp, ON_FILE, "", "") == "00"
    first, *_ = (await operator(tsp).ListRequestors(pb.ListRequestorsRequest())).requestors
    assert not first.webhook_url
    assert await set_webhook(tsp, "00000000099", URL, SECRET) == "14"


@pytest.mark.parametrize(("url", "secret", "field"), [(URL, "", "secret"), ("", SECRET, "url")])
async def test_an_address_comes_with_its_secret(tsp: Provider, url: str, secret: str, field: str) -> None:
    with pytest.raises(InvalidField) as fault:
        await set_webhook(tsp, ON_FILE, url, secret)
    assert fault.value.field == field


@pytest.mark.parametrize("caller", ["merchant", "issuer", "network", "discloser"])
async def test_nobody_else_is_the_operator(tsp: Provider, caller: str) -> None:
    asking = stub(tsp, TokenOperatorStub, caller)
    for call, request in (
        (asking.ListTokens, pb.ListTokensRequest()),
        (asking.ListRequestors, pb.ListRequestorsRequest()),
        (asking.RegisterRequestor, pb.RegisterRequestorRequest(requestor=SHOP)),
        (asking.SetWebhook, pb.SetWebhookRequest(token_requestor_id=ON_FILE)),
    ):
        with pytest.raises(NotPermitted):
            await call(request)
