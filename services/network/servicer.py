"""The payment network's calls: steps 3 to 7, and the way back."""

from collections.abc import Callable

from cardnet.call import Call
from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest, AuthoriseResponse, ReverseRequest
from cardnet.cde.v1.issuer_pb2_grpc import IssuerStub
from cardnet.cde.v1.token_vault_pb2 import RecallTransactionRequest
from cardnet.cde.v1.token_vault_pb2_grpc import TokenVaultStub
from cardnet.errors import Overloaded, Unavailable
from cardnet.journal import Due
from cardnet.response_code import ResponseCode
from cardnet.v1.network_pb2 import (
    RouteAuthorisationRequest,
    RouteAuthorisationResponse,
    RouteReversalRequest,
    RouteReversalResponse,
)
from cardnet.v1.network_pb2_grpc import NetworkServicer as NetworkServicerBase
from services.network.domain import WITHOUT_ISSUER, WITHOUT_TSP, same_account, settles
from services.network.store import ReversalBook
from services.network.swap import (
    answer_without_card,
    detokenisation_of,
    pan_authorisation_of,
    reversal_of,
    token_answer,
)


class NetworkServicer(NetworkServicerBase):
    """Finds the PAN behind a token, asks its issuer, hides the PAN again."""

    def __init__(self, tsp: TokenVaultStub, issuer: IssuerStub, book: ReversalBook) -> None:
        self._tsp = tsp
        self._issuer = issuer
        self._book = book
        self.on_reversal_noted: Callable[[], None] = lambda: None

    async def RouteAuthorisation(self, request: RouteAuthorisationRequest, call: Call) -> RouteAuthorisationResponse:
        """Steps 4 to 7: find the PAN behind a token, ask its issuer, hide the PAN again."""
        # Of a payment that comes again nobody knows how far it came before, with another instance.
        again = call.again or request.repeat
        try:
            return await self._route(request, again)
        except Overloaded:
            if again:
                await self._reversed_unless_approved(request)
            raise

    async def _route(self, request: RouteAuthorisationRequest, again: bool) -> RouteAuthorisationResponse:
        # Step 4: only the TSP knows the PAN, and tells it within the token's own domain alone.
        try:
            card = await self._tsp.Detokenise(detokenisation_of(request))
            refusal = card.response_code if card.refusal else ""
        except Unavailable:
            refusal = WITHOUT_TSP
        if refusal:
            approved = again and await self._reversed_unless_approved(request)
            return approved or answer_without_card(request, refusal)

        # Steps 5 and 6: the issuer decides about its own account.
        try:
            decision = await self._ask_issuer(pan_authorisation_of(request, card))
        except Unavailable:
            # It may hold the amount and we shall never know: answer in its place, and have the hold given back.
            approved = await self._reversed_unless_approved(request)
            return approved or token_answer(request, card, WITHOUT_ISSUER, auth_code="")

        # Step 7: the answer carries the token. Of the PAN, the last four digits go back.
        answer = token_answer(request, card, decision.response_code, decision.auth_code)
        if again and answer.response_code == ResponseCode.APPROVED:
            # Perhaps whoever had it before got no answer from the issuer, and the hold is being given back.
            return await self._book.approve(answer) or token_answer(request, card, WITHOUT_ISSUER, auth_code="")
        return answer

    async def RouteReversal(self, request: RouteReversalRequest, call: Call) -> RouteReversalResponse:
        """Find the PAN in the TSP's history and have its issuer give the hold back."""
        return await self._reverse(request)

    async def reverse_later(self, due: Due) -> None:
        """Send a reversal that was noted. Raises a Fault while it is not acknowledged."""
        answer = await self._reverse(RouteReversalRequest.FromString(due.payload))
        if not settles(answer.response_code):
            raise Unavailable("REVERSAL_NOT_TAKEN_ON", "the issuer did not take a reversal on")

    async def _reversed_unless_approved(self, request: RouteAuthorisationRequest) -> RouteAuthorisationResponse | None:
        """Have what may be held given back; where another instance approved it when it came again, its answer."""
        approved = await self._book.note(reversal_of(request))
        self.on_reversal_noted()
        return approved

    async def _ask_issuer(self, request: AuthoriseRequest) -> AuthoriseResponse:
        response: AuthoriseResponse = await self._issuer.Authorise(request)
        same_account(request.pan, response.pan)
        return response

    async def _reverse(self, request: RouteReversalRequest) -> RouteReversalResponse:
        recalled = await self._tsp.RecallTransaction(
            RecallTransactionRequest(transaction=request.transaction, payment_token=request.payment_token)
        )
        if not recalled.pan:
            # It never got past the TSP, and never will now: nothing is held.
            return RouteReversalResponse(response_code=recalled.response_code)
        answer = await self._issuer.Reverse(
            ReverseRequest(
                transaction=request.transaction,
                pan=recalled.pan,
                amount_minor=request.amount_minor,
                currency=request.currency,
            )
        )
        return RouteReversalResponse(response_code=answer.response_code)
