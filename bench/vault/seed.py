"""Tokens for the vault by the hundred thousand: rows as the vault writes them, put into its store without a call.

Everything about a token follows from its number, so nobody has to keep a list of them.
"""

from collections.abc import Iterator
from functools import lru_cache

from cardnet.card import Expiry, Pan, PaymentToken, luhn_digit
from cardnet.env import Env
from cardnet.store.address import StoreAddress
from cardnet.store.wire import Command, StoreWire
from services.tsp.domain import Assurance, Location, TokenRecord, TokenState, new_record
from services.tsp.keys import KeySet
from services.tsp.requestors import REQUESTORS
from services.tsp.sealing import Entry, Row, seal

REQUESTOR = next(requestor for requestor in REQUESTORS if requestor.domain.cryptogram_required)
"""Whose tokens they are: each payment needs a cryptogram."""

PAN_EXPIRY = Expiry(2030, 11)

_AT_ONCE = 1_000
"""Tokens whose rows are on their way at the same time."""
_TIMEOUT_S = 60.0


def pan_of(number: int) -> Pan:
    """A card. number: from 0 on, below 10 to the power of 9."""
    return Pan(_digits(99990000, number))


def entry_of(number: int) -> Entry:
    """A token. number: from 1 on, below 10 to the power of 9."""
    pan = pan_of(number)
    record = _record().changed(par=f"SIMX{number:025}", pan_last_four=pan.last_four)
    token = PaymentToken(_digits(99994000, number))
    return Entry(f"{number:032x}", 1, record, token, pan, PAN_EXPIRY)


async def sow(url: str, keys: KeySet, numbers: range) -> None:
    """Put tokens into a store. url: as the token service provider's own user. keys: opened."""
    wire = StoreWire(StoreAddress.parse(url), "bench", _TIMEOUT_S)
    try:
        for start in range(numbers.start, numbers.stop, _AT_ONCE):
            some = range(start, min(start + _AT_ONCE, numbers.stop))
            replies = [wire.send(command) for number in some for command in _commands(keys, entry_of(number))]
            for reply in replies:
                answer = await reply
                if isinstance(answer, Exception):
                    raise answer
    finally:
        wire.drop()


def _commands(keys: KeySet, entry: Entry) -> Iterator[Command]:
    """What RedisVault.issue leaves in the store."""
    assert entry.pan is not None
    row = seal(keys, entry)
    yield "HSET", f"tsp:{{{entry.reference}}}:record", *_pairs(row)
    for name in keys.new_names_of_token(entry.token):
        yield "SET", f"tsp:{{{name}}}:index", entry.reference
    for name in keys.new_names_of_pan(entry.pan):
        card = ("par", entry.record.par, REQUESTOR.token_requestor_id, entry.reference, f"ref:{entry.reference}", "")
        yield "HSET", f"tsp:{{{name}}}:card", *card


def _pairs(row: Row) -> Iterator[str | bytes]:
    for field, value in zip(Row._fields, row, strict=True):
        yield from (field, value)


@lru_cache
def _record() -> TokenRecord:
    return new_record(
        pan_of(0),
        REQUESTOR,
        TokenState.ACTIVE,
        par="",
        assurance=Assurance("10", "issuer account verification"),
        today=Env.of("bench").clock.now().date(),
        location=Location.REMOTE,
    )


def _digits(first_bin: int, number: int) -> str:
    digits = f"{first_bin + number // 10_000_000}{number % 10_000_000:07}"
    return digits + luhn_digit(digits)
