"""The token service provider's calls from inside the cardholder data environment: step 4, and what comes after it."""

from datetime import datetime

from cardnet import cryptogram
from cardnet.call import Call
from cardnet.card import Expiry, Pan, PaymentToken
from cardnet.cde.v1.token_vault_pb2 import (
    ON_BEHALF_OF_VALIDATION_CRYPTOGRAM_LEFT_TO_ISSUER,
    ON_BEHALF_OF_VALIDATION_PASSED,
    DetokeniseRequest,
    DetokeniseResponse,
    FindTransactionRequest,
    FindTransactionResponse,
    RecallTransactionRequest,
    RecallTransactionResponse,
)
from cardnet.cde.v1.token_vault_pb2_grpc import TokenVaultServicer as TokenVaultServicerBase
from cardnet.env import Clock
from cardnet.errors import InvalidField, KeyReused
from cardnet.response_code import ResponseCode
from cardnet.v1.payment_pb2 import INITIATOR_MERCHANT, TransactionKey
from services.tsp.audit import AuditLog, Event
from services.tsp.cards import Cards
from services.tsp.checks import CONTROLS_OF, Finding, Use, Verdict, verify
from services.tsp.domain import Cause, Control, EntryMode, Initiator, Party, Refusal, Usage
from services.tsp.keys import KeySet
from services.tsp.life import suspend
from services.tsp.policy import FAILED_CRYPTOGRAMS, PROBING, Policy
from services.tsp.probes import Probes
from services.tsp.sealing import Entry, damaged
from services.tsp.shown import token_message
from services.tsp.uses import Admission, Admittance, Uses
from services.tsp.vault import ATTEMPTS, RedisVault, contended


class TokenVaultServicer(TokenVaultServicerBase):
    """Tells the network PANs: within a token's domain, and only then."""

    def __init__(
        self,
        vault: RedisVault,
        uses: Uses,
        cards: Cards,
        keys: KeySet,
        audit: AuditLog,
        probes: Probes,
        clock: Clock,
        policy: Policy,
    ) -> None:
        self._vault = vault
        self._uses = uses
        self._cards = cards
        self._keys = keys
        self._audit = audit
        self._probes = probes
        self._clock = clock
        self._policy = policy

    async def Detokenise(self, request: DetokeniseRequest, call: Call) -> DetokeniseResponse:
        """Step 4: check token, domain and cryptogram, and tell the PAN. Caller and form, the border has checked."""
        self._probes.allow(_prober(request))
        for _ in range(ATTEMPTS):
            answer = await self._detokenise(request)
            if answer:
                return answer
        raise contended()

    async def RecallTransaction(self, request: RecallTransactionRequest, call: Call) -> RecallTransactionResponse:
        """Tell the PAN of a transaction that is to be reversed; refuse its late original from now on."""
        token = PaymentToken(request.payment_token)
        reference = await self._vault.reference_of(token)
        past = await self._uses.recall(reference, _name(request.transaction)) if reference else None
        if past and past.token != token:
            raise damaged()  # the index, which is not sealed, leads to another token
        return RecallTransactionResponse(response_code=ResponseCode.APPROVED, pan=past.pan.reveal() if past else "")

    async def FindTransaction(self, request: FindTransactionRequest, call: Call) -> FindTransactionResponse:
        """Tell what a transaction was made with, for a refund (by its token) or a chargeback (by its PAN)."""
        if bool(request.payment_token) == bool(request.pan):
            raise InvalidField("payment_token", "give either payment_token or pan")
        for reference in await self._candidates(request):
            past = await self._uses.past(reference, _name(request.transaction))
            entry = await self._vault.named(reference) if past else None
            if past and entry and request.pan in ("", past.pan.reveal()):
                await self._audit.write(Event.of("find-transaction", reference, entry.version, "told"))
                return FindTransactionResponse(
                    response_code=ResponseCode.APPROVED,
                    payment_token=past.token.reveal(),
                    pan=past.pan.reveal(),
                    token=token_message(entry),
                )
        return FindTransactionResponse(response_code=ResponseCode.RECORD_NOT_FOUND)

    async def _candidates(self, request: FindTransactionRequest) -> list[str]:
        """The references of the tokens with which a transaction may have been made."""
        if request.pan:
            return await self._cards.references_of(Pan(request.pan))
        entry = await self._vault.find(PaymentToken(request.payment_token))
        return [entry.reference] if entry else []

    async def _detokenise(self, request: DetokeniseRequest) -> DetokeniseResponse | None:
        """One attempt. None where the token was changed between the checks and the admission."""
        now = self._clock.now()

        # Step 4: look the token up, and its requestor with it where the message did not bring one.
        token = PaymentToken(request.token_data.payment_token)
        entry = await self._vault.find(token)

        # Step 4: check state and domain and the cryptogram's value; the first rule that is broken answers.
        finding, atc = await self._examine(request, entry, now)
        verdict = verify(entry.record if entry else None, _use_of(request, finding), now.date())
        if entry is None or verdict.refusal:
            await self._note(request, entry, verdict.refusal)
            return self._refused(verdict)
        on_demand = self._policy.outcome_of(request.amount_minor)
        if on_demand:
            return self._refused(_refuse_late(verdict, on_demand))

        # Step 4: only now mark the cryptogram used, in one atomic step that looks at the state again.
        admission = await self._uses.admit(entry, self._admittance(request, entry, atc, now))
        if admission is Admission.CHANGED:
            return None
        if admission is Admission.REUSED:
            raise KeyReused("TRANSACTION_REUSED", "this transaction came before with another body")
        if admission in _ADMISSION_REFUSALS:
            await self._note(request, entry, _ADMISSION_REFUSALS[admission])
            return self._refused(_refuse_late(verdict, _ADMISSION_REFUSALS[admission]))

        # Step 4: a repeat is told what it was told before, also where the card has been replaced since.
        if admission is Admission.REPEATED:
            past = await self._uses.past(entry.reference, _name(request.transaction))
            if past:
                entry = entry._replace(pan=past.pan, pan_expiry=past.pan_expiry)

        # Step 4: no PAN is told before it is written down that it is.
        await self._audit.write(Event.of("detokenise", entry.reference, entry.version, "told"))
        return _told(entry, verdict, finding)

    def _admittance(self, request: DetokeniseRequest, entry: Entry, atc: int | None, now: datetime) -> Admittance:
        data, usage = request.token_data, entry.record.domain.usage
        by_merchant = data.initiator == INITIATOR_MERCHANT
        acquirer = request.transaction.acquirer_id
        return Admittance(
            transaction=_name(request.transaction),
            message=request.SerializeToString(deterministic=True),
            atc=atc,
            oldest_ms=_ms(now) - self._policy.cryptogram_window_s * 1000,
            original=f"rrn:{acquirer}:{data.original_rrn}" if by_merchant else "",
            mark=f"rrn:{acquirer}:{request.transaction.rrn}" if usage is Usage.RECURRING and not by_merchant else "",
            once=usage is Usage.ONE_TIME,
        )

    def _refused(self, verdict: Verdict) -> DetokeniseResponse:
        return DetokeniseResponse(
            refusal=f"REFUSAL_{verdict.refusal.name}",
            response_code=self._policy.response_code(verdict.refusal),
            controls_passed=[f"CONTROL_{control.name}" for control in verdict.passed],
        )

    async def _note(self, request: DetokeniseRequest, entry: Entry | None, refusal: Refusal) -> None:
        """Note a refusal that nobody ordered. Whoever looks for tokens is slowed down.

        Whoever guesses cryptograms has few tries: then the token is suspended until the operator resumes it.
        """
        if refusal in PROBING:
            self._probes.note(_prober(request))
        if entry is None or refusal not in FAILED_CRYPTOGRAMS:
            return
        if await self._uses.count_failure(entry, self._policy.most_failures):
            await self._vault.change(entry.reference, _suspended, Party.TSP, Cause.FAILED_CRYPTOGRAMS)

    async def _examine(
        self, request: DetokeniseRequest, entry: Entry | None, now: datetime
    ) -> tuple[Finding, int | None]:
        """What the message's cryptogram is worth, and its counter where the value is right."""
        data = request.token_data
        if not data.cryptogram:
            return Finding.ABSENT, None
        container = cryptogram.read(data.cryptogram)
        if container is None:
            return Finding.FORMAT_UNKNOWN, None
        key = self._keys.cryptogram_key_of(container.key_index)
        if key is None:
            return Finding.KEY_UNKNOWN, None
        if entry is None or container.merchant_initiated != (data.initiator == INITIATOR_MERCHANT):
            return Finding.WRONG, None
        if self._policy.left_to_issuer:
            return Finding.LEFT_TO_ISSUER, None
        amount_minor = await self._bound_amount(request, entry, container)
        if amount_minor is None:
            return Finding.WRONG, None
        purchase = _purchase(request, entry, amount_minor)
        if not key.matches(container, entry.token, purchase, now):
            return Finding.WRONG, None
        return Finding.RIGHT, container.atc

    async def _bound_amount(
        self, request: DetokeniseRequest, entry: Entry, container: cryptogram.Container
    ) -> int | None:
        """The amount under the MAC. None where the payment is of more than the cryptogram is good for."""
        if container.binding is not cryptogram.Binding.MAXIMUM:
            return request.amount_minor
        limit = await self._uses.limit_of(entry, container.atc)
        return limit if limit and request.amount_minor <= limit else None


_ADMISSION_REFUSALS = {
    Admission.REVERSED: Refusal.TRANSACTION_REVERSED,
    Admission.REPLAYED: Refusal.CRYPTOGRAM_REPLAYED,
    Admission.EXPIRED: Refusal.CRYPTOGRAM_EXPIRED,
    Admission.EXHAUSTED: Refusal.USAGE_EXHAUSTED,
    Admission.ORIGINAL_UNKNOWN: Refusal.ORIGINAL_UNKNOWN,
}


def _suspended(entry: Entry) -> Entry | ResponseCode:
    return entry.after(suspend(entry.record, Party.TSP))


def _prober(request: DetokeniseRequest) -> str:
    return f"{request.transaction.acquirer_id}/{request.merchant.merchant_id}"


def _use_of(request: DetokeniseRequest, finding: Finding) -> Use:
    return Use(
        token_requestor_id=request.token_data.token_requestor_id,
        merchant_id=request.merchant.merchant_id,
        merchant_domain=request.merchant.merchant_domain,
        entry_mode=EntryMode(request.pos_entry_mode),
        token_expiry=Expiry.parse(request.token_data.token_expiry),
        cryptogram=finding,
        initiator=Initiator(request.token_data.initiator or Initiator.CARDHOLDER),
        original_rrn=request.token_data.original_rrn,
    )


def _refuse_late(verdict: Verdict, refusal: Refusal) -> Verdict:
    """A refusal after the checks: the control that it belongs to has not passed after all."""
    failed = CONTROLS_OF[refusal]
    return Verdict(refusal, tuple(control for control in verdict.passed if control is not failed))


def _purchase(request: DetokeniseRequest, entry: Entry, amount_minor: int) -> cryptogram.Purchase:
    return cryptogram.Purchase(
        amount_minor=amount_minor,
        currency=request.currency,
        country=request.merchant.merchant_country,
        token_requestor_id=entry.record.token_requestor_id,
        merchant_domain=request.merchant.merchant_domain,
        merchant_id=request.merchant.merchant_id,
        merchant_initiated=request.token_data.initiator == INITIATOR_MERCHANT,
    )


def _told(entry: Entry, verdict: Verdict, finding: Finding) -> DetokeniseResponse:
    record = entry.record
    left = finding is Finding.LEFT_TO_ISSUER
    once = (Control.USAGE,) if record.domain.usage is Usage.ONE_TIME else ()
    return DetokeniseResponse(
        controls_passed=[f"CONTROL_{control.name}" for control in (*verdict.passed, *once)],
        on_behalf_of_validation=(
            ON_BEHALF_OF_VALIDATION_CRYPTOGRAM_LEFT_TO_ISSUER if left else ON_BEHALF_OF_VALIDATION_PASSED
        ),
        pan=entry.pan.reveal() if entry.pan else "",
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
