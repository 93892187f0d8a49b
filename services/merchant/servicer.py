"""The merchant's calls: putting a card on file, confirming it, and steps 1, 2 and 9 of paying with it."""

import asyncio
from hashlib import sha256

from cardnet.call import Call
from cardnet.card import Expiry, PaymentToken
from cardnet.env import Clock
from cardnet.errors import Fault, InProgress, InvalidField, NotFound, Unavailable
from cardnet.journal import Due, Journal
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
from cardnet.v1.payment_pb2 import Initiator, MerchantData, TokenData
from cardnet.v1.token_service_pb2 import (
    ConfirmCardholderRequest,
    ConfirmCardholderResponse,
    RequestCryptogramRequest,
    RequestCryptogramResponse,
    RequestTokenRequest,
    RequestTokenResponse,
    TokenDecision,
)
from cardnet.v1.token_service_pb2_grpc import TokenServiceStub
from services.merchant.domain import (
    CardOnFile,
    card_on_file_id,
    confirming_notice,
    entry_mode,
    original_fault,
    payment_notice,
    saving_notice,
    source_fault,
)
from services.merchant.store import RedisCardsOnFile

LOOK_AGAIN_S = 0.1
"""How often the acquirer is asked for the answer to a payment that another instance of this shop sent."""


class MerchantServicer(MerchantServicerBase):
    """One shop and its customers. The shop is its own Token Requestor and never sees a PAN."""

    def __init__(
        self,
        shop: MerchantData,
        token_requestor_id: str,
        acquirer: AcquirerStub,
        tsp: TokenServiceStub,
        cards: RedisCardsOnFile,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._shop = shop
        self._token_requestor_id = token_requestor_id
        self._acquirer = acquirer
        self._tsp = tsp
        self._cards = cards
        self._journal = journal
        self._clock = clock
        self.reversals = Reversals(journal, clock, self._give_back)

    async def SaveCard(self, request: SaveCardRequest, call: Call) -> SaveCardResponse:
        """Have the card replaced by a token, and keep the token."""
        # The shop hands on what it cannot read.
        issued: RequestTokenResponse = await self._tsp.RequestToken(
            RequestTokenRequest(token_requestor_id=self._token_requestor_id, encrypted_card=request.encrypted_card)
        )
        passcode_sent = issued.decision == TokenDecision.TOKEN_DECISION_STEP_UP
        notice = saving_notice(issued.response_code, passcode_sent=passcode_sent)
        if issued.response_code != ResponseCode.APPROVED:
            return SaveCardResponse(response_code=issued.response_code, notice=notice, decision=issued.decision)

        # The same customer and card have the same name, so that saving twice is saving once.
        card = _card_on_file(issued, self._token_requestor_id)
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
        card = await self._card_named(request.card_on_file_id)
        if card_on_file_id(request.customer_id, card.token_reference_id) != request.card_on_file_id:
            raise _not_on_file()  # it is another customer's

        tried: ConfirmCardholderResponse = await self._tsp.ConfirmCardholder(
            ConfirmCardholderRequest(
                token_requestor_id=card.token_requestor_id,
                token_reference_id=card.token_reference_id,
                passcode=request.passcode,
            )
        )
        return ConfirmCardResponse(
            confirmed=tried.response_code == ResponseCode.APPROVED,
            response_code=tried.response_code,
            notice=confirming_notice(tried.response_code),
            tries_left=tried.tries_left,
        )

    async def Checkout(self, request: CheckoutRequest, call: Call) -> CheckoutResponse:
        """Steps 1, 2 and 9: complete the order, have the payment authorised, tell the customer."""
        self._check(request)
        card = await self._card_of(request)

        # An order is paid once, however often it comes. It is written down before anything is sent.
        key, fingerprint = request.idempotency_key, sha256(_bytes(request)).digest()
        begun = await self._journal.begin(key, fingerprint, b"", self._clock.wall_s(), again=call.again)
        if begun.answer is not None:
            return CheckoutResponse.FromString(begun.answer)
        if begun.abandoned:
            raise Unavailable(
                "OUTCOME_UNKNOWN_REVERSED",
                "what came of this payment was not learnt, so it is being given back; pay again under a new key",
            )

        # Step 1: the site completes the order with what it has on file.
        request.merchant.CopyFrom(self._shop)
        if card:
            await self._complete(request, card, begun.run)

        # Step 2: the payment goes to the acquirer.
        payment = await self._submit(request, entry_mode(card, begun_by_shop=bool(request.original_rrn)), begun.run)

        # Step 9: the customer is told. Who asks again under the same key is told the same.
        answer = _told(payment, call.trace.trace_id)
        return CheckoutResponse.FromString(await self._journal.finish(key, _bytes(answer), begun.run))

    def _check(self, request: CheckoutRequest) -> None:
        fault = source_fault(card_on_file_id=bool(request.card_on_file_id), token_data=request.HasField("token_data"))
        if fault:
            raise InvalidField("card_on_file_id", fault)
        fault = original_fault(original_rrn=bool(request.original_rrn), card_on_file_id=bool(request.card_on_file_id))
        if fault:
            raise InvalidField("original_rrn", fault)
        if request.HasField("merchant") and request.merchant != self._shop:
            raise InvalidField("merchant", "must be the shop's own, or left out")

    async def _card_of(self, request: CheckoutRequest) -> CardOnFile | None:
        return await self._card_named(request.card_on_file_id) if request.card_on_file_id else None

    async def _card_named(self, id_: str) -> CardOnFile:
        card = await self._cards.find(id_)
        if card is None:
            raise _not_on_file()
        return card

    async def _complete(self, request: CheckoutRequest, card: CardOnFile, run: int) -> None:
        """Put the token data into the order itself, so that step 1 shows them.

        Where no cryptogram is made the payment goes without: it is optional for cards on file (EMVCo framework 2.3,
        table 10.5), and why there is none (a suspended token, say) is for step 4 to answer.
        """
        try:
            made = await self._cryptogram(request, card)
        except Fault:
            # This run sent nothing: if it is the only one, the key may be used again.
            await self._journal.forget(request.idempotency_key, run)
            raise
        request.token_data.CopyFrom(
            TokenData(
                payment_token=card.token.reveal(),
                token_expiry=str(card.token_expiry),
                token_requestor_id=card.token_requestor_id,
                cryptogram=made.cryptogram,
                initiator=_initiator(request),
                original_rrn=request.original_rrn,
            )
        )

    async def _cryptogram(self, request: CheckoutRequest, card: CardOnFile) -> RequestCryptogramResponse:
        made: RequestCryptogramResponse = await self._tsp.RequestCryptogram(
            RequestCryptogramRequest(
                token_requestor_id=card.token_requestor_id,
                payment_token=card.token.reveal(),
                token_expiry=str(card.token_expiry),
                merchant=self._shop,
                amount_minor=request.amount_minor,
                currency=request.currency,
                initiator=_initiator(request),
                original_rrn=request.original_rrn,
            )
        )
        return made

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


def _not_on_file() -> NotFound:
    return NotFound("CARD_NOT_ON_FILE", "this shop has no card on file of that name; save the card first")


def _initiator(request: CheckoutRequest) -> Initiator:
    """Who begins: the shop, where it goes back to a payment of the customer's; else, unsaid, the customer."""
    return Initiator.INITIATOR_MERCHANT if request.original_rrn else Initiator.INITIATOR_UNSPECIFIED


def _card_on_file(issued: RequestTokenResponse, token_requestor_id: str) -> CardOnFile:
    try:
        return CardOnFile(
            token=PaymentToken(issued.payment_token),
            token_expiry=Expiry.parse(issued.token_expiry),
            token_requestor_id=token_requestor_id,
            token_reference_id=issued.token_reference_id,
            par=issued.par,
            pan_last_four=issued.pan_last_four,
            entry_modes=frozenset(issued.pos_entry_modes),
        )
    except InvalidField:
        # The border lets a refusal leave these fields out; an answer that says 00 may not.
        raise Unavailable("ANSWER_INCOMPLETE", "the tsp said that it issued a token and did not send it") from None


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


def _bytes(message: CheckoutRequest | CheckoutResponse) -> bytes:
    return message.SerializeToString(deterministic=True)
