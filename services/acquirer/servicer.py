"""The acquirer's calls: steps 3 and 8, and the way back."""

import logging
from collections.abc import Mapping
from hashlib import sha256

from cardnet.call import Call
from cardnet.env import Clock
from cardnet.errors import Fault, InProgress, InvalidField, NotPermitted, Unavailable
from cardnet.journal import Begun, Due, Journal
from cardnet.response_code import ResponseCode
from cardnet.reversals import Reversals
from cardnet.v1.acquirer_pb2 import (
    ReversePaymentRequest,
    ReversePaymentResponse,
    SubmitPaymentRequest,
    SubmitPaymentResponse,
)
from cardnet.v1.acquirer_pb2_grpc import AcquirerServicer as AcquirerServicerBase
from cardnet.v1.network_pb2 import RouteAuthorisationRequest, RouteAuthorisationResponse, RouteReversalRequest
from cardnet.v1.network_pb2_grpc import NetworkStub
from cardnet.v1.payment_pb2 import Initiator
from services.acquirer.domain import MERCHANTS, Payment, RegisteredMerchant, acts_for, original_fault, refusal
from services.acquirer.store import completed, payment_id, reversal_draft

NOTHING_HELD = (ResponseCode.RECORD_NOT_FOUND, ResponseCode.ORIGINAL_AMOUNT_INCORRECT)
"""Answers to a reversal that asking again will not change: there was no such hold, or it was another's."""

log = logging.getLogger("cardnet")


class AcquirerServicer(AcquirerServicerBase):
    """Checks its merchants' payments, numbers them and passes them to the network."""

    def __init__(
        self,
        acquirer_id: str,
        network: NetworkStub,
        journal: Journal,
        clock: Clock,
        merchants: Mapping[str, RegisteredMerchant] = MERCHANTS,
    ) -> None:
        self._acquirer_id = acquirer_id
        self._network = network
        self._journal = journal
        self._clock = clock
        self._merchants = merchants
        self.reversals = Reversals(journal, clock, self._give_back)

    async def SubmitPayment(self, request: SubmitPaymentRequest, call: Call) -> SubmitPaymentResponse:
        """Steps 3 and 8: check the payment, have the network decide, pass its answer on."""
        _check(request)

        # A payment is made once, however often it comes. It is written down, and numbered, before anything is sent.
        id_ = payment_id(call.caller, request.merchant.merchant_id, request.payment_reference)
        draft = reversal_draft(request, self._acquirer_id, self._clock.now()).SerializeToString()
        begun = await self._journal.begin(
            id_, _fingerprint(request), draft, self._clock.wall_s(), body=_digest(request), again=call.again
        )
        if begun.answer is not None:
            return SubmitPaymentResponse.FromString(begun.answer)
        if begun.abandoned:
            return _refused(request, ResponseCode.RESPONSE_TOO_LATE)

        # Step 3: the acquirer's own processing checks, and then the network.
        code = refusal(self._merchants.get(request.merchant.merchant_id), _payment(request, call.caller))
        if code:
            answer = _refused(request, code)
        else:
            answer = _passed_on(await self._authorise(id_, _routed(request, begun), begun.run))

        # Step 8: the answer is kept before it is given. If the payment was taken back meanwhile, nobody hears of it.
        kept = await self._journal.finish(id_, answer.SerializeToString(deterministic=True), begun.run)
        return SubmitPaymentResponse.FromString(kept)

    async def ReversePayment(self, request: ReversePaymentRequest, call: Call) -> ReversePaymentResponse:
        """Take a payment back, whether it came already or comes late."""
        if not acts_for(call.caller, self._merchants.get(request.merchant_id)):
            raise NotPermitted("MERCHANT_NOT_YOURS", "the caller may not act for this merchant")
        await self.reversals.take_back(payment_id(call.caller, request.merchant_id, request.payment_reference))
        return ReversePaymentResponse(response_code=ResponseCode.APPROVED)

    async def _authorise(self, id_: str, request: RouteAuthorisationRequest, run: int) -> RouteAuthorisationResponse:
        try:
            return _belonging(request, await self._network.RouteAuthorisation(request))
        except (Unavailable, InProgress):
            # Perhaps it was approved. What the merchant was not told of is taken back.
            await self.reversals.give_up(id_, run)
            raise
        except Fault:
            await self._journal.forget(id_, run)  # the network did not begin it
            raise

    async def _give_back(self, due: Due) -> None:
        reversal = completed(RouteReversalRequest.FromString(due.payload), due.number)
        code = (await self._network.RouteReversal(reversal)).response_code
        if code in NOTHING_HELD:
            log.warning("the network answered %s to a reversal: it found no such authorisation to undo", code)
        elif code != ResponseCode.APPROVED:
            raise Unavailable("REVERSAL_NOT_TAKEN_ON", "the network did not take a reversal on")


def _check(request: SubmitPaymentRequest) -> None:
    fault = original_fault(
        begun_by_merchant=request.token_data.initiator == Initiator.INITIATOR_MERCHANT,
        original_rrn=bool(request.token_data.original_rrn),
    )
    if fault:
        raise InvalidField("token_data.original_rrn", fault)


def _payment(request: SubmitPaymentRequest, caller: str) -> Payment:
    return Payment(
        caller=caller,
        category_code=request.merchant.merchant_category_code,
        country=request.merchant.merchant_country,
        entry_mode=request.pos_entry_mode,
        currency=request.currency,
    )


def _digest(request: SubmitPaymentRequest) -> bytes:
    return sha256(request.SerializeToString(deterministic=True)).digest()


def _fingerprint(request: SubmitPaymentRequest) -> bytes:
    """What makes two payments one. Not the cryptogram: an instance of the shop that takes one up brings its own."""
    payment = SubmitPaymentRequest()
    payment.CopyFrom(request)
    payment.token_data.ClearField("cryptogram")
    return _digest(payment)


def _routed(request: SubmitPaymentRequest, begun: Begun) -> RouteAuthorisationRequest:
    # Whoever takes a payment up names it as it was named first: so it is known wherever it has been before.
    return RouteAuthorisationRequest(
        transaction=completed(RouteReversalRequest.FromString(begun.payload), begun.number).transaction,
        repeat=begun.taken_up,
        token_data=request.token_data,
        merchant=request.merchant,
        amount_minor=request.amount_minor,
        currency=request.currency,
        pos_entry_mode=request.pos_entry_mode,
    )


def _belonging(request: RouteAuthorisationRequest, answer: RouteAuthorisationResponse) -> RouteAuthorisationResponse:
    """The answer, if it is one to this request: the same authorisation, token and amount."""
    asked = (request.transaction, request.token_data.payment_token, request.amount_minor, request.currency)
    if asked != (answer.transaction, answer.payment_token, answer.amount_minor, answer.currency):
        raise Unavailable("ANSWER_MISMATCHED", "the network's answer was about another payment")
    return answer


def _refused(request: SubmitPaymentRequest, code: ResponseCode) -> SubmitPaymentResponse:
    return SubmitPaymentResponse(payment_token=request.token_data.payment_token, response_code=code)


def _passed_on(answer: RouteAuthorisationResponse) -> SubmitPaymentResponse:
    return SubmitPaymentResponse(
        payment_token=answer.payment_token,
        response_code=answer.response_code,
        auth_code=answer.auth_code,
        transaction=answer.transaction,
        token_assurance_level=answer.token_assurance_level,
        pan_last_four=answer.pan_last_four,
        pan_product_id=answer.pan_product_id,
        par=answer.par,
    )
