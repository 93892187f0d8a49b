"""The swap of token and PAN: how each message becomes the next (EMVCo framework 2.3, tables 10.3 to 10.10)."""

from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest
from cardnet.cde.v1.token_vault_pb2 import (
    ON_BEHALF_OF_VALIDATION_CRYPTOGRAM_LEFT_TO_ISSUER,
    DetokeniseRequest,
    DetokeniseResponse,
)
from cardnet.v1.network_pb2 import RouteAuthorisationRequest, RouteAuthorisationResponse, RouteReversalRequest


def detokenisation_of(request: RouteAuthorisationRequest) -> DetokeniseRequest:
    """What the TSP is asked: all that it needs to check the token's domain and cryptogram."""
    return DetokeniseRequest(
        transaction=request.transaction,
        token_data=request.token_data,
        merchant=request.merchant,
        amount_minor=request.amount_minor,
        currency=request.currency,
        pos_entry_mode=request.pos_entry_mode,
    )


def pan_authorisation_of(request: RouteAuthorisationRequest, card: DetokeniseResponse) -> AuthoriseRequest:
    """What the issuer is asked: PAN and expiry in the token's place, the token in fields of its own."""
    left_to_issuer = card.on_behalf_of_validation == ON_BEHALF_OF_VALIDATION_CRYPTOGRAM_LEFT_TO_ISSUER
    return AuthoriseRequest(
        transaction=request.transaction,
        pan=card.pan,
        pan_expiry=card.pan_expiry,
        amount_minor=request.amount_minor,
        currency=request.currency,
        merchant=request.merchant,
        pos_entry_mode=request.pos_entry_mode,
        on_behalf_of_validation=card.on_behalf_of_validation,
        controls_passed=card.controls_passed,
        payment_token=request.token_data.payment_token,
        token_expiry=request.token_data.token_expiry,
        token_assurance_level=card.token_assurance_level,
        token_assurance_data=card.token_assurance_data,
        token_requestor_id=card.token_requestor_id,
        cryptogram=request.token_data.cryptogram if left_to_issuer else "",
        par=card.par,
    )


def token_answer(
    request: RouteAuthorisationRequest, card: DetokeniseResponse, code: str, auth_code: str
) -> RouteAuthorisationResponse:
    """The answer in the token's terms, with what the acquirer may know of the card."""
    response = answer_without_card(request, code)
    response.auth_code = auth_code
    response.token_assurance_level = card.token_assurance_level
    response.pan_last_four = card.pan[-4:]
    response.pan_product_id = card.pan_product_id
    response.par = card.par
    return response


def answer_without_card(request: RouteAuthorisationRequest, code: str) -> RouteAuthorisationResponse:
    """The answer where no card was found behind the token: nothing is told of one."""
    return RouteAuthorisationResponse(
        transaction=request.transaction,
        payment_token=request.token_data.payment_token,
        amount_minor=request.amount_minor,
        currency=request.currency,
        response_code=code,
    )


def reversal_of(request: RouteAuthorisationRequest) -> RouteReversalRequest:
    """What undoes an authorisation."""
    return RouteReversalRequest(
        transaction=request.transaction,
        payment_token=request.token_data.payment_token,
        amount_minor=request.amount_minor,
        currency=request.currency,
    )
