"""Cryptograms that the token service provider leaves to the issuer, who then has their key (conformance A46)."""

from datetime import datetime

from cardnet import cryptogram
from cardnet.card import PaymentToken
from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest
from cardnet.cde.v1.token_vault_pb2 import OnBehalfOfValidation
from services.issuer.domain import Cryptogram, Validation


class Cryptograms:
    """Tells what is known of the token behind a purchase."""

    def __init__(self, key: cryptogram.CryptogramKey | None) -> None:
        """key: the one with which the token service provider makes cryptograms; None for an issuer that has none."""
        self._key = key

    def validate(self, request: AuthoriseRequest, now: datetime) -> tuple[Validation, Cryptogram | None]:
        """What is known and, where we found a cryptogram right, that cryptogram: it may still have been used before."""
        told = request.on_behalf_of_validation
        if told == OnBehalfOfValidation.ON_BEHALF_OF_VALIDATION_PASSED:
            return Validation.PASSED, None
        if told != OnBehalfOfValidation.ON_BEHALF_OF_VALIDATION_CRYPTOGRAM_LEFT_TO_ISSUER:
            return Validation.NOT_PERFORMED, None
        if self._key is None:
            return Validation.NO_KEYS, None
        if not request.cryptogram:
            # Whether the token's domain wants one is for the token service provider to say, and it let this pass.
            return Validation.PASSED, None
        return self._examine(self._key, request, now)

    def _examine(
        self, key: cryptogram.CryptogramKey, request: AuthoriseRequest, now: datetime
    ) -> tuple[Validation, Cryptogram | None]:
        token = PaymentToken(request.payment_token)
        container = cryptogram.read(request.cryptogram)
        if container is None or container.key_index != key.index:
            return Validation.CRYPTOGRAM_WRONG, None
        if not key.matches(container, token, _purchase_of(request, container), now):
            return Validation.CRYPTOGRAM_WRONG, None
        return Validation.CRYPTOGRAM_RIGHT, Cryptogram(token, container.atc)


def _purchase_of(request: AuthoriseRequest, container: cryptogram.Container) -> cryptogram.Purchase:
    return cryptogram.Purchase(
        amount_minor=request.amount_minor,
        currency=request.currency,
        country=request.merchant.merchant_country,
        token_requestor_id=request.token_requestor_id,
        merchant_domain=request.merchant.merchant_domain,
        merchant_id=request.merchant.merchant_id,
        merchant_initiated=container.merchant_initiated,  # the TSP saw that the message says the same
    )
