"""The issuer's ledger in Redis: accounts, and the holds on them. No PAN and no token gets there, only their HMACs."""

import hmac
from importlib import resources

from cardnet.card import Expiry, Pan
from cardnet.errors import Fault
from cardnet.money import Currency, Money
from cardnet.response_code import ResponseCode
from cardnet.store import Store
from services.issuer.domain import (
    Account,
    Answer,
    Cryptogram,
    Purchase,
    Status,
    TokenState,
    Transaction,
    Verification,
)

LIBRARY = resources.files("services.issuer").joinpath("store.lua").read_text("utf-8")
"""The ledger's Lua functions, one for each decision that must be taken in one piece."""


class RedisLedger:
    """Accounts and holds, found by the HMAC of their PAN. Every coroutine raises Unavailable when the store does."""

    def __init__(self, store: Store, account_key: bytes) -> None:
        """account_key: the HMAC's key, which must stay the same as long as the store's data."""
        self._store = store
        self._keyed = hmac.new(account_key, digestmod="sha256")  # keying anew costs twice as much as a copy

    async def recognise_key(self) -> None:
        """Mark a new store with this key. Fault if it was marked with another: every account would seem unknown."""
        name, mark = "issuer:account_key_check", self._hmac("cardnet issuer account key")
        await self._store.command("SETNX", name, mark)
        if await self._store.command("GET", name) != mark.encode():
            raise Fault(
                "ACCOUNT_KEY_CHANGED",
                "the issuer's store was written with another account key: set CARDNET_ISSUER_KEYS_FILE or "
                "CARDNET_ISSUER_ACCOUNT_KEY to the one it had, or give the issuer an empty store",
            )

    async def open_account(self, pan: Pan, account: Account) -> bool:
        """Open an account of which nothing is held; its limit is what is available. False if there is one already."""
        limit = account.available
        fields = {
            "currency": limit.currency.number,
            "expiry": str(account.expiry),
            "status": account.status,
            "purchase_limit": str(account.purchase_limit.minor) if account.purchase_limit else "0",
            "token_state": account.token_state,
            "verification": account.verification,
        }
        args = (str(limit.minor), *(part for item in fields.items() for part in item))
        return bool(await self._store.call("issuer_open_account", (f"{self._place(pan)}:account",), args))

    async def account(self, pan: Pan) -> Account | None:
        """The account of a PAN, if there is one."""
        fields: dict[bytes, bytes] = await self._store.command("HGETALL", f"{self._place(pan)}:account")
        return _account_of({name.decode(): value.decode() for name, value in fields.items()}) if fields else None

    async def take_hold(self, purchase: Purchase, answer: Answer, cryptogram: Cryptogram | None) -> Answer:
        """Hold the amount if the answer approves, and keep the answer. What comes back is the answer to give.

        It differs where this is a repeat (the answer given before, or 94 if another purchase had the same transaction),
        was reversed (68), brings a cryptogram used before (82), or the money went meanwhile (51).
        cryptogram: one found right, to be used up; else None.
        """
        place = self._place(purchase.pan)
        keys = _keys(place, purchase.transaction)
        if cryptogram:
            token = self._hmac(cryptogram.token.reveal())
            keys.append(f"{place}:cryptogram:{token}:{cryptogram.atc}")
        amount, currency = purchase.amount.minor, purchase.amount.currency.number
        args = (*answer, str(amount), str(-amount), currency, self._fingerprint(purchase))
        response_code, auth_code = await self._store.call("issuer_take_hold", keys, args)
        return Answer(ResponseCode(response_code.decode()), auth_code.decode())

    async def release_hold(self, pan: Pan, transaction: Transaction, amount: Money) -> ResponseCode:
        """Give a hold back, now or (if it was not taken yet) beforehand.

        00: nothing is held for the transaction, nor will be. 25 and 64: it was made in another currency or for another
        amount, and stays as it is.
        """
        keys = _keys(self._place(pan), transaction)
        args = (str(amount.minor), str(-amount.minor), amount.currency.number)
        return ResponseCode((await self._store.call("issuer_release_hold", keys, args)).decode())

    def _place(self, pan: Pan) -> str:
        # The hash tag puts all that one atomic step touches on one node of a cluster.
        return f"issuer:{{{self._hmac(pan.reveal())}}}"

    def _fingerprint(self, purchase: Purchase) -> str:
        """What a repeat must share with the first."""
        amount = purchase.amount
        return self._hmac(f"{amount.minor}|{amount.currency.number}|{purchase.merchant_id}|{purchase.pan.reveal()}")

    def _hmac(self, text: str) -> str:
        # 128 bits: keyed, because the hash of a PAN alone is searched through in seconds.
        mac = self._keyed.copy()
        mac.update(text.encode())
        return mac.hexdigest()[:32]


def _keys(place: str, transaction: Transaction) -> list[str]:
    return [f"{place}:account", f"{place}:transaction:{':'.join(transaction)}"]


def _account_of(fields: dict[str, str]) -> Account:
    currency = Currency.of(fields["currency"])
    purchase_limit = int(fields["purchase_limit"])
    return Account(
        expiry=Expiry.parse(fields["expiry"]),
        available=Money(int(fields["available"]), currency),
        held=Money(int(fields["held"]), currency),
        holds=int(fields["holds"]),
        status=Status(fields["status"]),
        purchase_limit=Money(purchase_limit, currency) if purchase_limit else None,
        token_state=TokenState(fields["token_state"]),
        verification=Verification(fields.get("verification", Verification.ACCOUNT)),  # version 0.1.0 did not write it
    )
