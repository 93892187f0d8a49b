"""The issuer's calls: steps 5 and 6, the way back, and what the operator sets up."""

from cardnet.call import Call
from cardnet.card import Expiry, Pan
from cardnet.cde.v1 import issuer_pb2 as pb
from cardnet.cde.v1.issuer_pb2_grpc import IssuerOperatorServicer as IssuerOperatorServicerBase
from cardnet.cde.v1.issuer_pb2_grpc import IssuerServicer as IssuerServicerBase
from cardnet.cde.v1.token_vault_pb2 import TokenState as TokenStateMessage
from cardnet.env import Env
from cardnet.money import Currency, Money
from cardnet.response_code import ResponseCode
from cardnet.v1.payment_pb2 import TransactionKey
from services.issuer.cryptograms import Cryptograms
from services.issuer.domain import (
    Account,
    Answer,
    Purchase,
    Status,
    TokenState,
    Transaction,
    decide,
    uses_up_cryptogram,
    verify,
)
from services.issuer.store import RedisLedger


class IssuerServicer(IssuerServicerBase):
    """Decides about its own accounts and holds the money."""

    def __init__(self, ledger: RedisLedger, cryptograms: Cryptograms, env: Env) -> None:
        self._ledger = ledger
        self._cryptograms = cryptograms
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
        """Say whether a token may stand for an account, and in which state it is to begin."""
        account = await self._ledger.account(Pan(request.pan))
        code = verify(account, Expiry.parse(request.pan_expiry))
        if not (account and code.approved):
            return pb.VerifyAccountResponse(response_code=code)
        return pb.VerifyAccountResponse(response_code=code, token_state=f"TOKEN_STATE_{account.token_state}")


class IssuerOperatorServicer(IssuerOperatorServicerBase):
    """What a test sets up and looks at."""

    def __init__(self, ledger: RedisLedger) -> None:
        self._ledger = ledger

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
    return Account(
        expiry=Expiry.parse(request.pan_expiry),
        available=Money(request.balance_minor, currency),
        held=Money(0, currency),
        holds=0,
        status=Status(pb.AccountStatus.Name(request.status).removeprefix("ACCOUNT_STATUS_")),
        purchase_limit=Money(request.purchase_limit_minor, currency) if request.purchase_limit_minor else None,
        token_state=TokenState(state) if request.token_state else TokenState.ACTIVE,
    )


def _transaction_of(key: TransactionKey) -> Transaction:
    return Transaction(key.acquirer_id, key.stan, key.transmission_time, key.rrn)


def _money(minor: int, currency: str) -> Money:
    return Money(minor, Currency.of(currency))
