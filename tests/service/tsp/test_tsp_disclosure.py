"""De-tokenisation without verification: a role of its own, and nothing told that was not written down before."""

from typing import Any

import pytest
from tsp_parties import NEW_PAN as SUCCESSOR
from tsp_parties import UNKNOWN_TOKEN, act, replace_pan, stub
from tsp_provider import ON_FILE, PAN, WITH_CRYPTOGRAM, Provider

from cardnet.cde.v1 import token_vault_pb2 as pb
from cardnet.cde.v1.token_vault_pb2_grpc import TokenDisclosureStub
from cardnet.errors import NotPermitted, Overloaded, Unavailable
from services.tsp.audit import AuditLog, Event

UNKNOWN = pb.DetokeniseWithoutVerificationResponse(response_code="14")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What was written to the audit log."""
    events: list[Event] = []
    write = AuditLog.write

    async def noted(log: AuditLog, event: Event) -> None:
        events.append(event)
        await write(log, event)

    monkeypatch.setattr(AuditLog, "write", noted)
    return events


async def disclose(tsp: Provider, token: Any, caller: str = "discloser", **changes: str) -> Any:
    fields = {"payment_token": token.payment_token, "token_expiry": token.token_expiry, **changes}
    request = pb.DetokeniseWithoutVerificationRequest(**fields)
    return await stub(tsp, TokenDisclosureStub, caller).DetokeniseWithoutVerification(request)


@pytest.mark.parametrize("trid", ["", ON_FILE])
async def test_the_pan_is_told_to_the_discloser(tsp: Provider, token: Any, trid: str) -> None:
    assert await disclose(tsp, token, token_requestor_id=trid) == pb.DetokeniseWithoutVerificationResponse(
        response_code="00", pan=PAN, pan_expiry="3011", par=token.par
    )


@pytest.mark.parametrize("caller", ["network", "merchant", "issuer", "operator", "somebody"])
async def test_nobody_else_is_told(tsp: Provider, token: Any, written: list[Event], caller: str) -> None:
    with pytest.raises(NotPermitted):
        await disclose(tsp, token, caller)
    assert not written


@pytest.mark.parametrize(
    "changes", [{"payment_token": UNKNOWN_TOKEN}, {"token_expiry": "3112"}, {"token_requestor_id": WITH_CRYPTOGRAM}]
)
async def test_a_token_that_is_not_as_described_is_unknown(tsp: Provider, token: Any, changes: dict[str, str]) -> None:
    assert await disclose(tsp, token, **changes) == UNKNOWN


async def test_a_suspended_token_is_told_of_and_a_deleted_one_is_not(tsp: Provider, token: Any) -> None:
    await act(tsp, "issuer", "Suspend", token.token_reference_id)
    assert (await disclose(tsp, token)).pan == PAN
    await act(tsp, "issuer", "Unlink", token.token_reference_id)
    assert await disclose(tsp, token) == pb.DetokeniseWithoutVerificationResponse(response_code="78")
    assert await disclose(tsp, token, token_expiry="3112") == UNKNOWN


async def test_the_card_of_today_is_told(tsp: Provider, token: Any) -> None:
    await replace_pan(tsp, PAN, SUCCESSOR)
    told = await disclose(tsp, token)
    assert (told.pan, told.pan_expiry, told.par) == (SUCCESSOR, "3212", token.par)


async def test_each_question_is_written_down_with_its_outcome_and_no_number(
    tsp: Provider, token: Any, written: list[Event]
) -> None:
    await disclose(tsp, token)
    await disclose(tsp, token, payment_token=UNKNOWN_TOKEN)
    assert len(written) == 2
    assert token.token_reference_id in str(written[0])
    assert "told" in str(written[0])
    assert "refused" in str(written[1])
    for number in (PAN, token.payment_token, UNKNOWN_TOKEN):
        assert number not in str(written)


async def test_nothing_is_told_that_cannot_be_written_down(
    tsp: Provider, token: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_log: AuditLog, _event: Event) -> None:
        raise Unavailable("AUDIT_UNAVAILABLE", "the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(AuditLog, "write", full)
        with pytest.raises(Unavailable):
            await disclose(tsp, token)
    assert (await disclose(tsp, token)).pan == PAN


async def test_a_discloser_who_tries_numbers_is_slowed_down(store: Any, admin: Any) -> None:
    tsp = Provider(store, most_probes=2)
    await tsp.service.start()
    try:
        token = await tsp.request_token()
        for _ in range(2):
            assert await disclose(tsp, token, token_expiry="3112") == UNKNOWN
        with pytest.raises(Overloaded):
            await disclose(tsp, token)
    finally:
        await tsp.service.stop()
