"""The token service provider's calls from inside the cardholder data environment: step 4, reversals, operator."""

from datetime import datetime

from cardnet import cryptogram
from cardnet.call import Call
from cardnet.card import Expiry, PaymentToken
from cardnet.cde.v1.token_vault_pb2 import (
    ON_BEHALF_OF_VALIDATION_CRYPTOGRAM_LEFT_TO_ISSUER,
    ON_BEHALF_OF_VALIDATION_PASSED,
    ChangeTokenStateRequest,
    ChangeTokenStateResponse,
    DetokeniseRequest,
    DetokeniseResponse,
    RecallTransactionRequest,
    RecallTransactionResponse,
)
from cardnet.cde.v1.token_vault_pb2_grpc import TokenOperatorServicer as TokenOperatorServicerBase
from cardnet.cde.v1.token_vault_pb2_grpc import TokenVaultServicer as TokenVaultServicerBase
from cardnet.env import Clock
from cardnet.errors import KeyReused
from cardnet.response_code import ResponseCode
from cardnet.v1.payment_pb2 import TransactionKey
from services.tsp.checks import Finding, Use, Verdict, verify
from services.tsp.domain import RESPONSE_CODES, Control, EntryMode, Refusal, TokenState
from services.tsp.sealing import Entry
from services.tsp.vault import ATTEMPTS, Admission, RedisVault, contended


class TokenVaultServicer(TokenVaultServicerBase):
    """Tells the network PANs: within a token's domain, and only then."""

    def __init__(
        self,
        vault: RedisVault,
        key: cryptogram.CryptogramKey,
        clock: Clock,
        *,
        cryptogram_window_s: int,
        left_to_issuer: bool,
    ) -> None:
        """cryptogram_window_s: how long a cryptogram is good. left_to_issuer: whether the issuer is to validate it."""
        self._vault = vault
        self._key = key
        self._clock = clock
        self._window_ms = cryptogram_window_s * 1000
        self._left_to_issuer = left_to_issuer

    async def Detokenise(self, request: DetokeniseRequest, call: Call) -> DetokeniseResponse:
        """Step 4: check token, domain and cryptogram, and tell the PAN. Caller and form, the border has checked."""
        for _ in range(ATTEMPTS):
            answer = await self._detokenise(request)
            if answer:
                return answer
        raise contended()

    async def RecallTransaction(self, request: RecallTransactionRequest, call: Call) -> RecallTransactionResponse:
        """Tell the PAN of a transaction that is to be reversed; refuse its late original from now on."""
        token = PaymentToken(request.payment_token)
        entry = await self._vault.recall(token, _name(request.transaction))
        return RecallTransactionResponse(response_code=ResponseCode.APPROVED, pan=entry.pan.reveal() if entry else "")

    async def _detokenise(self, request: DetokeniseRequest) -> DetokeniseResponse | None:
        """One attempt. None where the token was changed between the checks and the admission."""
        now = self._clock.now()

        # Step 4: look the token up, and its requestor with it where the message did not bring one.
        token = PaymentToken(request.token_data.payment_token)
        entry = await self._vault.find(token)

        # Step 4: check state and domain and the cryptogram's value; the first rule that is broken answers.
        finding, atc = self._examine(request, entry, now)
        verdict = verify(entry.record if entry else None, _use_of(request, finding), now.date())
        if entry is None or verdict.refusal:
            return _refused(verdict)

        # Step 4: only now mark the cryptogram used, in one atomic step that looks at the state again.
        oldest_ms = _ms(now) - self._window_ms
        body = request.SerializeToString(deterministic=True)
        admission = await self._vault.admit(entry, _name(request.transaction), body, atc, oldest_ms)
        if admission is Admission.CHANGED:
            return None
        if admission is Admission.REUSED:
            raise KeyReused("TRANSACTION_REUSED", "this transaction came before with another body")
        if admission in _ADMISSION_REFUSALS:
            return _refused(_refuse_late(verdict, _ADMISSION_REFUSALS[admission]))
        return _told(entry, verdict, finding)

    def _examine(self, request: DetokeniseRequest, entry: Entry | None, now: datetime) -> tuple[Finding, int | None]:
        """What the message's cryptogram is worth, and its counter where the value is right."""
        if not request.token_data.cryptogram:
            return Finding.ABSENT, None
        container = cryptogram.read(request.token_data.cryptogram)
        if container is None:
            return Finding.FORMAT_UNKNOWN, None
        if container.key_index != self._key.index:
            return Finding.KEY_UNKNOWN, None
        if self._left_to_issuer:
            return Finding.LEFT_TO_ISSUER, None
        if entry is None:
            return Finding.WRONG, None
        purchase = cryptogram.Purchase(
            amount_minor=request.amount_minor,
            currency=request.currency,
            country=request.merchant.merchant_country,
            token_requestor_id=entry.record.token_requestor_id,
            merchant_domain=request.merchant.merchant_domain,
            merchant_id=request.merchant.merchant_id,
        )
        if self._key.matches(container, entry.token, purchase, now):
            return Finding.RIGHT, container.atc
        return Finding.WRONG, None


class TokenOperatorServicer(TokenOperatorServicerBase):
    """Puts tokens into the states that a test wants."""

    def __init__(self, vault: RedisVault) -> None:
        self._vault = vault

    async def ChangeTokenState(self, request: ChangeTokenStateRequest, call: Call) -> ChangeTokenStateResponse:
        """Change a token's state. What is being paid at the moment passes before or after, never in between."""
        wanted = TokenState(request.state)
        state = await self._vault.change_state(PaymentToken(request.payment_token), wanted)
        if state is None:
            return ChangeTokenStateResponse(response_code=ResponseCode.INVALID_CARD)
        code = ResponseCode.APPROVED if state is wanted else ResponseCode.TOKEN_NOT_IN_USE
        return ChangeTokenStateResponse(response_code=code)


_ADMISSION_REFUSALS = {
    Admission.REVERSED: Refusal.TRANSACTION_REVERSED,
    Admission.REPLAYED: Refusal.CRYPTOGRAM_REPLAYED,
    Admission.EXPIRED: Refusal.CRYPTOGRAM_EXPIRED,
}


def _use_of(request: DetokeniseRequest, finding: Finding) -> Use:
    return Use(
        token_requestor_id=request.token_data.token_requestor_id,
        merchant_id=request.merchant.merchant_id,
        merchant_domain=request.merchant.merchant_domain,
        entry_mode=EntryMode(request.pos_entry_mode),
        token_expiry=Expiry.parse(request.token_data.token_expiry),
        cryptogram=finding,
    )


def _refuse_late(verdict: Verdict, refusal: Refusal) -> Verdict:
    """A refusal at the admission: a cryptogram that was used or is too old has not passed after all."""
    if refusal is Refusal.TRANSACTION_REVERSED:
        return Verdict(refusal, verdict.passed)
    return Verdict(refusal, tuple(control for control in verdict.passed if control is not Control.CRYPTOGRAM))


def _refused(verdict: Verdict) -> DetokeniseResponse:
    return DetokeniseResponse(
        refusal=f"REFUSAL_{verdict.refusal.name}",
        response_code=RESPONSE_CODES[verdict.refusal],
        controls_passed=[f"CONTROL_{control.name}" for control in verdict.passed],
    )


def _told(entry: Entry, verdict: Verdict, finding: Finding) -> DetokeniseResponse:
    record = entry.record
    left = finding is Finding.LEFT_TO_ISSUER
    return DetokeniseResponse(
        controls_passed=[f"CONTROL_{control.name}" for control in verdict.passed],
        on_behalf_of_validation=(
            ON_BEHALF_OF_VALIDATION_CRYPTOGRAM_LEFT_TO_ISSUER if left else ON_BEHALF_OF_VALIDATION_PASSED
        ),
        pan=entry.pan.reveal(),
        pan_expiry=str(entry.pan_expiry),
        token_requestor_id=record.token_requestor_id,
        token_assurance_level=record.assurance_level,
        token_assurance_data=record.assurance_data,
        par=record.par,
        pan_product_id=record.pan_product_id,
    )


def _name(transaction: TransactionKey) -> str:
    return f"{transaction.acquirer_id}:{transaction.stan}:{transaction.transmission_time}:{transaction.rrn}"


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)
