"""Every negative path of tokens by its name: what `cardnet trigger NAME` plays, on any running network."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from cardnet.cde.v1.issuer_pb2 import (
    VERIFICATION_DECLINE,
    VERIFICATION_INELIGIBLE,
    VERIFICATION_PASSCODE,
    VERIFICATION_PASSCODE_WRONG,
)
from cardnet.cde.v1.token_operator_pb2 import Requestor
from cardnet.errors import InvalidField
from cardnet.identity import MERCHANT
from cardnet.money import Money
from cardnet.response_code import ResponseCode
from cardnet.stage import CARD_ON_FILE, ONE_TIME, OTHER_MERCHANT, OTHER_SHOP, PRICE, SHOP, WITH_CRYPTOGRAM, Stage
from cardnet.v1.merchant_pb2 import CheckoutResponse
from cardnet.v1.payment_pb2 import POS_ENTRY_MODE_CREDENTIAL_ON_FILE
from cardnet.v1.token_pb2 import TOKEN_USAGE_CARD_ON_FILE


class Scene(NamedTuple):
    """What came of a trigger in the end."""

    response_code: str
    trace_id: str = ""
    """The payment's trace; empty where it came to no payment."""
    pan_last_four: str = ""


@dataclass(frozen=True)
class Trigger:
    """A negative path."""

    name: str
    about: str
    """What is done, in one line."""
    outcome: ResponseCode
    play: Callable[[Stage], Awaitable[Scene]]
    pays: bool = True
    """Whether it comes to a payment."""
    moves_clock: bool = False
    """Whether it needs a network whose clock can be moved, and moves it."""


def trigger(name: str) -> Trigger:
    """The trigger of that name; InvalidField names those that there are."""
    for one in TRIGGERS:
        if one.name == name:
            return one
    raise InvalidField("name", f"must be one of {', '.join(one.name for one in TRIGGERS)}")


async def _ineligible(stage: Stage) -> Scene:
    return Scene((await stage.token(await stage.new_card(verification=VERIFICATION_INELIGIBLE))).response_code)


async def _declined(stage: Stage) -> Scene:
    return Scene((await stage.token(await stage.new_card(verification=VERIFICATION_DECLINE))).response_code)


async def _step_up(stage: Stage) -> Scene:
    token = await stage.token(await stage.new_card(verification=VERIFICATION_PASSCODE))
    return _end(await stage.pay(token))


async def _step_up_passed(stage: Stage) -> Scene:
    token = await stage.token(await stage.new_card(verification=VERIFICATION_PASSCODE))
    await stage.confirm(token, await stage.passcode(token))
    return _end(await stage.pay(token))


async def _step_up_failed(stage: Stage) -> Scene:
    token = await stage.token(await stage.new_card(verification=VERIFICATION_PASSCODE_WRONG))
    answer = await stage.confirm(token, await stage.passcode(token))
    while answer.tries_left:
        answer = await stage.confirm(token, await stage.passcode(token))
    return Scene(answer.response_code)


async def _tsp_unavailable(stage: Stage) -> Scene:
    return _end(await stage.pay(await stage.token(await stage.new_card()), Money.parse("77.96 USD")))


async def _suspended_after_first_use(stage: Stage) -> Scene:
    token = await stage.token(await stage.new_card())
    await stage.pay(token)
    await stage.suspend(token)
    return _end(await stage.pay(token))


async def _deleted(stage: Stage) -> Scene:
    token = await stage.token(await stage.new_card())
    await stage.unlink(token)
    return _end(await stage.pay(token))


async def _expired(stage: Stage) -> Scene:
    token = await stage.token(await stage.new_card(expiry="4911"))
    stage.advance(timedelta(days=4 * 366))
    return _end(await stage.pay(token))


async def _card_replaced(stage: Stage) -> Scene:
    card, successor = await stage.new_card(), await stage.new_card()
    token = await stage.token(card)
    await stage.replace(card, successor)
    return _end(await stage.pay(token))


async def _pan_expired(stage: Stage) -> Scene:
    return _end(await stage.pay(await stage.token(await stage.new_card(expiry="2001"))))


async def _cryptogram_wrong(stage: Stage) -> Scene:
    token = await stage.token(await stage.new_card())
    made = await stage.cryptogram(token, CARD_ON_FILE, Money(PRICE.minor + 1, PRICE.currency))
    return _end(await stage.pay(token, cryptogram=made))


async def _cryptogram_replayed(stage: Stage) -> Scene:
    token = await stage.token(await stage.new_card())
    made = await stage.cryptogram(token, CARD_ON_FILE)
    await stage.pay(token, cryptogram=made)
    return _end(await stage.pay(token, cryptogram=made))


async def _cryptogram_expired(stage: Stage) -> Scene:
    token = await stage.token(await stage.new_card())
    made = await stage.cryptogram(token, CARD_ON_FILE)
    stage.advance(timedelta(minutes=16))
    return _end(await stage.pay(token, cryptogram=made))


async def _cryptogram_missing(stage: Stage) -> Scene:
    return _end(await stage.pay(await stage.token(await stage.new_card(), WITH_CRYPTOGRAM)))


async def _wrong_merchant(stage: Stage) -> Scene:
    return _end(await stage.pay(await stage.token(await stage.new_card(), OTHER_SHOP, OTHER_MERCHANT)))


async def _wrong_requestor(stage: Stage) -> Scene:
    return _end(await stage.pay(await stage.token(await stage.new_card()), requestor=WITH_CRYPTOGRAM))


async def _wrong_entry_mode(stage: Stage) -> Scene:
    requestor = await stage.requestor(
        Requestor(
            identity=MERCHANT,
            merchant_ids=[SHOP.merchant_id],
            merchant_domain=SHOP.merchant_domain,
            pos_entry_modes=[POS_ENTRY_MODE_CREDENTIAL_ON_FILE],
            usage=TOKEN_USAGE_CARD_ON_FILE,
        )
    )
    return _end(await stage.pay(await stage.token(await stage.new_card(), requestor)))


async def _usage_exhausted(stage: Stage) -> Scene:
    token = await stage.token(await stage.new_card(), ONE_TIME)
    await stage.pay(token)
    return _end(await stage.pay(token))


def _end(payment: CheckoutResponse) -> Scene:
    return Scene(payment.response_code, payment.trace_id, payment.pan_last_four)


_Code = ResponseCode

TRIGGERS = (
    Trigger("ineligible", "the card's product has no tokens", _Code.NOT_PERMITTED_TO_CARD, _ineligible, pays=False),
    Trigger("idv-declined", "the issuer does not verify the account", _Code.DO_NOT_HONOUR, _declined, pays=False),
    Trigger("step-up", "a passcode is waited for; paid before it came", _Code.TOKEN_NOT_IN_USE, _step_up),
    Trigger("step-up-passed", "the passcode was right, then paid", _Code.APPROVED, _step_up_passed),
    Trigger(
        "step-up-failed", "a wrong passcode three times", _Code.PASSCODE_TRIES_EXCEEDED, _step_up_failed, pays=False
    ),
    Trigger("tsp-unavailable", "nobody answers at step 4", _Code.SYSTEM_MALFUNCTION, _tsp_unavailable),
    Trigger(
        "token-suspended",
        "paid, suspended by the issuer, paid again",
        _Code.RESTRICTED_CARD,
        _suspended_after_first_use,
    ),
    Trigger("token-deleted", "deleted by the issuer, then paid", _Code.TOKEN_NOT_IN_USE, _deleted),
    Trigger("token-expired", "four years later", _Code.EXPIRED_CARD, _expired, moves_clock=True),
    Trigger("card-replaced", "the same token reaches the new card", _Code.APPROVED, _card_replaced),
    Trigger("pan-expired", "the token is good, the card is not", _Code.EXPIRED_CARD, _pan_expired),
    Trigger("cryptogram-wrong", "made for another amount", _Code.CRYPTOGRAM_FAILURE, _cryptogram_wrong),
    Trigger("cryptogram-replayed", "used for a second payment", _Code.CRYPTOGRAM_FAILURE, _cryptogram_replayed),
    Trigger(
        "cryptogram-expired", "sixteen minutes later", _Code.CRYPTOGRAM_FAILURE, _cryptogram_expired, moves_clock=True
    ),
    Trigger("cryptogram-missing", "the token's domain wants one", _Code.SECURITY_VIOLATION, _cryptogram_missing),
    Trigger("wrong-merchant", "another shop's token", _Code.NOT_PERMITTED_TO_CARD, _wrong_merchant),
    Trigger("wrong-requestor", "the message names another", _Code.NOT_PERMITTED_TO_CARD, _wrong_requestor),
    Trigger("wrong-entry-mode", "a token for cards on file alone", _Code.NOT_PERMITTED_TO_TERMINAL, _wrong_entry_mode),
    Trigger("usage-exhausted", "a one-time token, twice", _Code.USAGE_EXHAUSTED, _usage_exhausted),
)
"""Every trigger. `cardnet trigger` prints them."""
