"""The issuer's calls: steps 5 and 6, the way back, and what the operator sets up."""

from cardnet.call import Call
from cardnet.card import Expiry, Pan
from cardnet.cde.v1 import issuer_pb2 as pb
from cardnet.cde.v1.issuer_pb2_grpc import IssuerOperatorServicer as IssuerOperatorServicerBase
from cardnet.cde.v1.issuer_pb2_grpc import IssuerServicer as IssuerServicerBase
from cardnet.env import Env
from cardnet.money import Currency, Money
from cardnet.response_code import ResponseCode
from cardnet.v1.payment_pb2 import TransactionKey
from cardnet.v1.token_pb2 import TokenState as TokenStateMessage
from services.issuer.cryptograms import Cryptograms
from services.issuer.domain import (
    Account,
    Answer,
    Purchase,
    Status,
    TokenState,
    Transaction,
    Verification,
    decide,
    uses_up_cryptogram,
)
from services.issuer.passcodes import RedisPasscodes
from services.issuer.store import RedisLedger
from services.issuer.verification import (
    ACCOUNT_VERIFIED,
    PASSCODE_GIVEN,
    Decision,
    PasscodeOutcome,
    Verdict,
    verify,
)

PASSCODE_DIGITS = 6
"""As RULE_PASSCODE has it."""


class IssuerServicer(IssuerServicerBase):
    """Decides about its own accounts, holds the money, and verifies accounts before tokens are issued."""

    def __init__(self, ledger: RedisLedger, cryptograms: Cryptograms, passcodes: RedisPasscodes, env: Env) -> None:
        self._ledger = ledger
        self._cryptograms = cryptograms
        self._passcodes = passcodes
        self._env = env

    async def Authorise(self, request: pb.AuthoriseRequest, call: Call) -> pb.AuthoriseResponse:
        """Steps 5 and 6: decide by the rules, then hold the amount and keep the answer in one step."""
        # Step 5: the PAN is back in its place; the account behind it may be one of which nothing is ever heard.
        purchase = _purchase_of(request)
        account = await self._ledger.account(purchase.pan)
        if account and account.status is Status.SILENT:
            await call.outlast()

        # The rules answer. What else they need is what the token service provider, or we, found of the token.
        now = self._env.clock.now()
        validation, cryptogram = self._cryptograms.validate(request, now)
        code = decide(account, purchase, validation, now.date())
        thought = Answer(code, self._env.rng.letters(6) if code.approved else "")

        # Step 6: deciding is not holding. The ledger looks again, and a repeat gets the answer that it got before.
        spent = cryptogram if uses_up_cryptogram(code) else None
        answer = await self._ledger.take_hold(purchase, thought, spent)
        return pb.AuthoriseResponse(pan=request.pan, response_code=answer.response_code, auth_code=answer.auth_code)

    async def Reverse(self, request: pb.ReverseRequest, call: Call) -> pb.ReverseResponse:
        """Give a hold back, or see to it that none will be taken."""
        amount = _money(request.amount_minor, request.currency)
        code = await self._ledger.release_hold(Pan(request.pan), _transaction_of(request.transaction), amount)
        return pb.ReverseResponse(response_code=code)

    async def VerifyAccount(self, request: pb.VerifyAccountRequest, call: Call) -> pb.VerifyAccountResponse:
        """Say whether a token may stand for an account, and how it is to begin; send a passcode if need be."""
        account = await self._ledger.account(Pan(request.pan))
        verdict = verify(account, Expiry.parse(request.pan_expiry))
        if verdict.decision is Decision.STEP_UP:
            # Asking again makes another passcode: the one before may have been lost, or guessed at.
            assert account is not None  # there is no step-up without one
            await self._passcodes.send(
                request.token_reference_id,
                self._env.rng.digits(PASSCODE_DIGITS),
                self._env.clock.now(),
                never_right=account.verification is Verification.PASSCODE_WRONG,
            )
        return _verified(verdict)

    async def CheckPasscode(self, request: pb.CheckPasscodeRequest, call: Call) -> pb.CheckPasscodeResponse:
        """Say whether a cardholder typed the passcode that we sent. A right one is used up; so is each wrong try."""
        tried = await self._passcodes.attempt(request.token_reference_id, request.passcode, self._env.clock.now())
        if tried is None:
            return pb.CheckPasscodeResponse(response_code=ResponseCode.RECORD_NOT_FOUND)
        answer = pb.CheckPasscodeResponse(
            response_code=tried.outcome.response_code,
            outcome=f"PASSCODE_OUTCOME_{tried.outcome}",
            tries_left=tried.tries_left,
        )
        if tried.outcome is PasscodeOutcome.RIGHT:
            answer.token_assurance_level, answer.token_assurance_data = PASSCODE_GIVEN
        return answer


class IssuerOperatorServicer(IssuerOperatorServicerBase):
    """What a test sets up and looks at."""

    def __init__(self, ledger: RedisLedger, passcodes: RedisPasscodes) -> None:
        self._ledger = ledger
        self._passcodes = passcodes

    async def OpenAccount(self, request: pb.OpenAccountRequest, call: Call) -> pb.OpenAccountResponse:
        """Open an account, unless there is one of that number."""
        opened = await self._ledger.open_account(Pan(request.pan), _account_of(request))
        code = ResponseCode.APPROVED if opened else ResponseCode.DUPLICATE_TRANSMISSION
        return pb.OpenAccountResponse(response_code=code)

    async def GetAccount(self, request: pb.GetAccountRequest, call: Call) -> pb.GetAccountResponse:
        """Show an account."""
        account = await self._ledger.account(Pan(request.pan))
        if account is None:
            return pb.GetAccountResponse(response_code=ResponseCode.INVALID_CARD)
        return pb.GetAccountResponse(
            response_code=ResponseCode.APPROVED,
            available_minor=account.available.minor,
            held_minor=account.held.minor,
            holds=account.holds,
            currency=account.available.currency.number,
            status=f"ACCOUNT_STATUS_{account.status}",
        )

    async def ReadPasscode(self, request: pb.ReadPasscodeRequest, call: Call) -> pb.ReadPasscodeResponse:
        """Show what the cardholder's telephone shows."""
        passcode = await self._passcodes.read(request.token_reference_id)
        if passcode is None:
            return pb.ReadPasscodeResponse(response_code=ResponseCode.RECORD_NOT_FOUND)
        return pb.ReadPasscodeResponse(response_code=ResponseCode.APPROVED, passcode=passcode)


def _verified(verdict: Verdict) -> pb.VerifyAccountResponse:
    decision = f"TOKEN_DECISION_{verdict.decision}"
    if verdict.token_state is None:
        return pb.VerifyAccountResponse(response_code=verdict.response_code, decision=decision)
    return pb.VerifyAccountResponse(
        response_code=verdict.response_code,
        decision=decision,
        token_state=f"TOKEN_STATE_{verdict.token_state}",
        # So much was done, also where a passcode is still to come.
        token_assurance_level=ACCOUNT_VERIFIED.level,
        token_assurance_data=ACCOUNT_VERIFIED.data,
    )


def _purchase_of(request: pb.AuthoriseRequest) -> Purchase:
    return Purchase(
        transaction=_transaction_of(request.transaction),
        pan=Pan(request.pan),
        expiry=Expiry.parse(request.pan_expiry),
        amount=_money(request.amount_minor, request.currency),
        merchant_id=request.merchant.merchant_id,
    )


def _account_of(request: pb.OpenAccountRequest) -> Account:
    currency = Currency.of(request.currency)
    state = TokenStateMessage.Name(request.token_state).removeprefix("TOKEN_STATE_")
    verification = pb.Verification.Name(request.verification).removeprefix("VERIFICATION_")
    return Account(
        expiry=Expiry.parse(request.pan_expiry),
        available=Money(request.balance_minor, currency),
        held=Money(0, currency),
        holds=0,
        status=Status(pb.AccountStatus.Name(request.status).removeprefix("ACCOUNT_STATUS_")),
        purchase_limit=Money(request.purchase_limit_minor, currency) if request.purchase_limit_minor else None,
        token_state=TokenState(state) if request.token_state else TokenState.ACTIVE,
        verification=Verification(verification) if request.verification else Verification.ACCOUNT,
    )


def _transaction_of(key: TransactionKey) -> Transaction:
    return Transaction(key.acquirer_id, key.stan, key.transmission_time, key.rrn)


def _money(minor: int, currency: str) -> Money:
    return Money(minor, Currency.of(currency))
