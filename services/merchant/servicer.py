"""The merchant's calls: putting a card on file, confirming it, and steps 1, 2 and 9 of paying with it."""

import asyncio
from hashlib import sha256

from cardnet.call import Call
from cardnet.env import Clock
from cardnet.errors import Fault, InProgress, InvalidField, Unavailable
from cardnet.journal import Begun, Due, Journal
from cardnet.response_code import ResponseCode
from cardnet.reversals import Reversals
from cardnet.v1.acquirer_pb2 import ReversePaymentRequest, SubmitPaymentRequest, SubmitPaymentResponse
from cardnet.v1.acquirer_pb2_grpc import AcquirerStub
from cardnet.v1.merchant_pb2 import (
    CheckoutRequest,
    CheckoutResponse,
    ConfirmCardRequest,
    ConfirmCardResponse,
    SaveCardRequest,
    SaveCardResponse,
)
from cardnet.v1.merchant_pb2_grpc import MerchantServicer as MerchantServicerBase
from cardnet.v1.payment_pb2 import MerchantData
from cardnet.v1.token_service_pb2 import TokenDecision
from services.merchant import means
from services.merchant.domain import (
    CardOnFile,
    card_on_file_id,
    confirming_notice,
    name_on_file,
    payment_notice,
    saving_notice,
    typing_notice,
)
from services.merchant.means import Means, MeansOfPayment, NoMeans
from services.merchant.store import RedisCardsOnFile
from services.merchant.token_requestor import TokenRequestor, card_on_file

LOOK_AGAIN_S = 0.1
"""How often the acquirer is asked for the answer to a payment that another instance of this shop sent."""


class MerchantServicer(MerchantServicerBase):
    """One shop and its customers. The shop is its own Token Requestor and never sees a PAN."""

    def __init__(
        self,
        shop: MerchantData,
        requestor: TokenRequestor,
        means_of_payment: MeansOfPayment,
        acquirer: AcquirerStub,
        cards: RedisCardsOnFile,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._shop = shop
        self._requestor = requestor
        self._means = means_of_payment
        self._acquirer = acquirer
        self._cards = cards
        self._journal = journal
        self._clock = clock
        self.reversals = Reversals(journal, clock, self._give_back)

    async def SaveCard(self, request: SaveCardRequest, call: Call) -> SaveCardResponse:
        """Have the card replaced by a token, and keep the token."""
        # The shop hands on what it cannot read.
        issued = await self._requestor.token_of_encrypted(request.encrypted_card)
        passcode_sent = issued.decision == TokenDecision.TOKEN_DECISION_STEP_UP
        notice = saving_notice(issued.response_code, passcode_sent=passcode_sent)
        if issued.response_code != ResponseCode.APPROVED:
            return SaveCardResponse(response_code=issued.response_code, notice=notice, decision=issued.decision)

        # The same customer and card have the same name, so that saving twice is saving once.
        card = card_on_file(issued, self._requestor.ids.card_on_file)
        id_ = card_on_file_id(request.customer_id, card.token_reference_id)
        await self._cards.save(id_, card)

        return SaveCardResponse(
            saved=True,
            card_on_file_id=id_,
            pan_last_four=card.pan_last_four,
            token_last_four=card.token.last_four,
            par=card.par,
            response_code=issued.response_code,
            notice=notice,
            decision=issued.decision,
            token_reference_id=card.token_reference_id,
        )

    async def ConfirmCard(self, request: ConfirmCardRequest, call: Call) -> ConfirmCardResponse:
        """Hand in the passcode that the customer's bank sent, so that the card can be paid with."""
        card = await self._means.card_named(request.card_on_file_id)
        if request.card_on_file_id != name_on_file(request.customer_id, card):
            raise means.not_on_file()  # it is another customer's

        tried = await self._requestor.confirm(card, request.passcode)
        return ConfirmCardResponse(
            confirmed=tried.response_code == ResponseCode.APPROVED,
            response_code=tried.response_code,
            notice=confirming_notice(tried.response_code),
            tries_left=tried.tries_left,
        )

    async def Checkout(self, request: CheckoutRequest, call: Call) -> CheckoutResponse:
        """Steps 1, 2 and 9: complete the order, have the payment authorised, tell the customer."""
        self._check(request)

        # An order is paid once, however often it comes. It is written down before anything is sent.
        key, fingerprint = request.idempotency_key, sha256(_bytes(request)).digest()
        begun = await self._journal.begin(key, fingerprint, b"", self._clock.wall_s(), again=call.again)
        if begun.answer is not None or begun.abandoned:
            return await self._said_before(begun, key)

        # Step 1: the site completes the order with what the customer pays with.
        request.merchant.CopyFrom(self._shop)
        found = await self._found(request, begun.run)
        if isinstance(found, NoMeans):
            return await self._finish(key, _not_sent(found, call.trace.trace_id), begun.run)
        request.token_data.CopyFrom(found.token_data)

        # Step 2: the payment goes to the acquirer.
        payment = await self._submit(request, found.pos_entry_mode, begun.run)

        # Step 9: the customer is told. Who asks again under the same key is told the same.
        answer = _told(payment, call.trace.trace_id)
        if answer.approved and found.to_keep:
            answer.card_on_file_id = await self._staged(request, found.to_keep, answer.rrn)
        return await self._finish(key, answer, begun.run)

    def _check(self, request: CheckoutRequest) -> None:
        means.check(request)
        if request.HasField("merchant") and request.merchant != self._shop:
            raise InvalidField("merchant", "must be the shop's own, or left out")

    async def _said_before(self, begun: Begun, key: str) -> CheckoutResponse:
        if begun.answer is None:
            raise Unavailable(
                "OUTCOME_UNKNOWN_REVERSED",
                "what came of this payment was not learnt, so it is being given back; pay again under a new key",
            )
        return await self._kept(CheckoutResponse.FromString(begun.answer), key)

    async def _found(self, request: CheckoutRequest, run: int) -> Means | NoMeans:
        try:
            return await self._means.of(request)
        except Fault:
            # This run sent nothing: if it is the only one, the key may be used again.
            await self._journal.forget(request.idempotency_key, run)
            raise

    async def _staged(self, request: CheckoutRequest, card: CardOnFile, rrn: str) -> str:
        """Write the card down that is to be put on file as soon as the answer stands; its name there.

        Not before: an approval whose answer comes too late is given back. Whoever dies in between has the card kept by
        the next who asks for the answer.
        """
        kept = means.agreed(card, rrn)
        id_ = name_on_file(request.save_for_customer_id, kept)
        await self._cards.stage(request.idempotency_key, id_, kept)
        return id_

    async def _finish(self, key: str, answer: CheckoutResponse, run: int) -> CheckoutResponse:
        return await self._kept(CheckoutResponse.FromString(await self._journal.finish(key, _bytes(answer), run)), key)

    async def _kept(self, answer: CheckoutResponse, key: str) -> CheckoutResponse:
        if answer.card_on_file_id:
            await self._cards.keep_staged(key)
        return answer

    async def _submit(self, request: CheckoutRequest, pos_entry_mode: int, run: int) -> SubmitPaymentResponse:
        payment = SubmitPaymentRequest(
            payment_reference=request.idempotency_key,
            token_data=request.token_data,
            merchant=request.merchant,
            amount_minor=request.amount_minor,
            currency=request.currency,
            pos_entry_mode=pos_entry_mode,  # type: ignore[arg-type]  # an enumeration's number is its value
        )
        try:
            return _belonging(payment, await self._answered(payment, run))
        except (Unavailable, InProgress):
            # Perhaps it was approved. What nobody was told of is taken back.
            await self.reversals.give_up(request.idempotency_key, run)
            raise
        except Fault:
            await self._journal.forget(request.idempotency_key, run)  # the acquirer did not begin it
            raise

    async def _answered(self, payment: SubmitPaymentRequest, run: int) -> SubmitPaymentResponse:
        """The acquirer's answer. Where another instance has sent it the payment, wait for the answer to that."""
        while True:
            try:
                response: SubmitPaymentResponse = await self._acquirer.SubmitPayment(payment)
                return response
            except InProgress:
                if run == 1:
                    raise
                await asyncio.sleep(LOOK_AGAIN_S)  # until there is no time left to ask, which is a fault too

    async def _give_back(self, due: Due) -> None:
        answer = await self._acquirer.ReversePayment(
            ReversePaymentRequest(merchant_id=self._shop.merchant_id, payment_reference=due.id)
        )
        if answer.response_code != ResponseCode.APPROVED:
            raise Unavailable("REVERSAL_NOT_TAKEN_ON", "the acquirer did not take a reversal on")


def _belonging(payment: SubmitPaymentRequest, answer: SubmitPaymentResponse) -> SubmitPaymentResponse:
    """The answer, if it is about this payment's token."""
    if answer.payment_token != payment.token_data.payment_token:
        raise Unavailable("ANSWER_MISMATCHED", "the acquirer's answer was about another payment")
    return answer


def _told(payment: SubmitPaymentResponse, trace_id: str) -> CheckoutResponse:
    return CheckoutResponse(
        approved=payment.response_code == ResponseCode.APPROVED,
        response_code=payment.response_code,
        notice=payment_notice(payment.response_code),
        auth_code=payment.auth_code,
        rrn=payment.transaction.rrn,
        pan_last_four=payment.pan_last_four,
        trace_id=trace_id,
    )


def _not_sent(answer: NoMeans, trace_id: str) -> CheckoutResponse:
    """What the customer is told where there was nothing to pay with, so that there are no steps 2 to 8."""
    notice = typing_notice(answer.response_code)
    return CheckoutResponse(response_code=answer.response_code, notice=notice, trace_id=trace_id)


def _bytes(message: CheckoutRequest | CheckoutResponse) -> bytes:
    return message.SerializeToString(deterministic=True)
