"""De-tokenisation without verification (EMVCo framework 2.3, table 8.6): the PAN without a payment."""

from cardnet.call import Call
from cardnet.card import PaymentToken
from cardnet.cde.v1.token_vault_pb2 import DetokeniseWithoutVerificationRequest as Request
from cardnet.cde.v1.token_vault_pb2 import DetokeniseWithoutVerificationResponse as Response
from cardnet.cde.v1.token_vault_pb2_grpc import TokenDisclosureServicer as TokenDisclosureServicerBase
from cardnet.response_code import ResponseCode
from services.tsp.audit import AuditLog, Event
from services.tsp.probes import Probes
from services.tsp.sealing import Entry
from services.tsp.vault import RedisVault


class TokenDisclosureServicer(TokenDisclosureServicerBase):
    """Tells PANs to the one who may learn them so. Neither domain nor suspension is in the way."""

    def __init__(self, vault: RedisVault, audit: AuditLog, probes: Probes) -> None:
        self._vault = vault
        self._audit = audit
        self._probes = probes

    async def DetokeniseWithoutVerification(self, request: Request, call: Call) -> Response:
        """Tell the PAN behind a token, once it is written down that it is told, or that somebody asked in vain."""
        self._probes.allow(call.caller)
        entry = _meant(await self._vault.find(PaymentToken(request.payment_token)), request)
        answer = _answer(entry)
        if entry is None:
            self._probes.note(call.caller)
        reference, version = (entry.reference, entry.version) if entry else ("", 0)
        await self._audit.write(Event.of("disclose", reference, version, "told" if answer.pan else "refused"))
        return answer


def _meant(entry: Entry | None, request: Request) -> Entry | None:
    """The token, if it is the one that the request describes."""
    if entry is None or str(entry.record.token_expiry) != request.token_expiry:
        return None
    return entry if request.token_requestor_id in ("", entry.record.token_requestor_id) else None


def _answer(entry: Entry | None) -> Response:
    if entry is None:
        return Response(response_code=ResponseCode.INVALID_CARD)
    if entry.pan is None:
        return Response(response_code=ResponseCode.TOKEN_NOT_IN_USE)
    return Response(
        response_code=ResponseCode.APPROVED,
        pan=entry.pan.reveal(),
        pan_expiry=str(entry.pan_expiry),
        par=entry.record.par,
    )
