"""The life of a token: INACTIVE, then ACTIVE or SUSPENDED, and at last DELETED, which is for good.

The events are EMVCo's (framework 2.3, table 8.12); that whoever suspended must resume is ours. Each function takes a
record and gives the record as it then is (the same one where it is so already), or the response code of its refusal.
"""

from datetime import date
from enum import Enum, auto
from typing import NamedTuple

from cardnet.card import Expiry
from cardnet.errors import InvalidField
from cardnet.response_code import ResponseCode
from services.tsp.domain import Assurance, Party, TokenRecord, TokenState

MOST_YEARS_AHEAD = 10
"""How far away a token's expiry may be put."""

Outcome = TokenRecord | ResponseCode


class Event(Enum):
    """What may be asked of a token."""

    SUSPEND = auto()
    RESUME = auto()
    ACTIVATE = auto()
    UNLINK = auto()
    UPDATE = auto()


class Effect(Enum):
    """What an event does to a token in a certain state."""

    DOES = auto()
    IS_SO = auto()
    """Nothing changes, and nothing is wrong: it was asked before."""
    NOT_THEIRS = auto()
    """Others suspended the token: it is theirs to say when it is active again."""
    NOT_IN_USE = auto()
    """The token is deleted, or not active yet."""


_DOES, _IS_SO, _NOT_THEIRS, _NOT_IN_USE = Effect

EFFECTS: dict[Event, dict[TokenState, Effect]] = {
    event: dict(
        zip((TokenState.INACTIVE, TokenState.ACTIVE, TokenState.SUSPENDED, TokenState.DELETED), row, strict=True)
    )
    for event, row in {
        Event.SUSPEND: (_NOT_IN_USE, _DOES, _DOES, _NOT_IN_USE),
        Event.RESUME: (_NOT_IN_USE, _IS_SO, _DOES, _NOT_IN_USE),
        Event.ACTIVATE: (_DOES, _IS_SO, _NOT_THEIRS, _NOT_IN_USE),
        Event.UNLINK: (_DOES, _DOES, _DOES, _IS_SO),
        Event.UPDATE: (_NOT_IN_USE, _DOES, _DOES, _NOT_IN_USE),
    }.items()
}
"""The state machine: what each event does in each state. No event leads from DELETED to anywhere."""

_REFUSALS = {
    Effect.NOT_THEIRS: ResponseCode.NOT_PERMITTED_TO_CARD,
    Effect.NOT_IN_USE: ResponseCode.TOKEN_NOT_IN_USE,
}

_LEVELS = {
    Party.REQUESTOR: ("01", "02", "03"),
    Party.ISSUER: ("10", "11", "12", "13", "14"),
    Party.TSP: ("00", "01", "02", "03", "10", "11", "12", "13", "14"),
}
"""The Token Assurance Methods of which a party may tell (EMVCo framework 2.3, section 6.2): what it can have done."""


class Attributes(NamedTuple):
    """New attributes of a token; None for what stays. `attributes` makes them."""

    token_expiry: Expiry | None
    assurance: Assurance | None


def suspend(record: TokenRecord, party: Party) -> Outcome:
    """The token with `party` among those who suspend it."""
    suspended_by = record.suspended_by | {party}
    return _after(Event.SUSPEND, record, state=TokenState.SUSPENDED, suspended_by=suspended_by)


def resume(record: TokenRecord, party: Party) -> Outcome:
    """The token without the suspension of `party`: active where that was the last. 57 where it did not suspend it."""
    if record.state is TokenState.SUSPENDED and party not in record.suspended_by:
        return ResponseCode.NOT_PERMITTED_TO_CARD
    suspended_by = record.suspended_by - {party}
    state = TokenState.SUSPENDED if suspended_by else TokenState.ACTIVE
    return _after(Event.RESUME, record, state=state, suspended_by=suspended_by)


def activate(record: TokenRecord) -> Outcome:
    """The token, which was inactive, active. 57 for a suspended one: that is resumed, by whoever suspended it."""
    return _after(Event.ACTIVATE, record, state=TokenState.ACTIVE)


def unlink(record: TokenRecord) -> TokenRecord:
    """The token without its card, for good. Nobody is refused that."""
    outcome = _after(Event.UNLINK, record, state=TokenState.DELETED, suspended_by=frozenset())
    assert isinstance(outcome, TokenRecord)  # the table refuses it in no state
    return outcome


def lose(record: TokenRecord) -> TokenRecord:
    """The token after its card was lost: suspended in the issuer's name.

    An inactive one is deleted, since nothing may activate it any more; a deleted one stays so.
    """
    outcome = suspend(record, Party.ISSUER)
    return outcome if isinstance(outcome, TokenRecord) else unlink(record)


def update_attributes(record: TokenRecord, new: Attributes) -> Outcome:
    """The token with new attributes."""
    level, data = new.assurance or Assurance(record.assurance_level, record.assurance_data)
    expiry = new.token_expiry or record.token_expiry
    return _after(Event.UPDATE, record, token_expiry=expiry, assurance_level=level, assurance_data=data)


def attributes(token_expiry: str, level: str, data: str, party: Party, today: date) -> Attributes:
    """The attributes that a party asks for; each is empty where it is not asked for.

    InvalidField where there are none, where the party may not tell of that assurance, or where the expiry is before
    this month or more than ten years away.
    """
    if not (token_expiry or level or data):
        raise InvalidField("token_expiry", "must be given, or token_assurance_level")
    if bool(level) != bool(data):
        absent = "token_assurance_data" if level else "token_assurance_level"
        raise InvalidField(absent, "must be given: level and data go together")
    if level and level not in _LEVELS[party]:
        raise InvalidField(
            "token_assurance_level", f"must be what the caller can have done: {', '.join(_LEVELS[party])}"
        )
    return Attributes(
        _checked_expiry(Expiry.parse(token_expiry), today) if token_expiry else None,
        Assurance(level, data) if level else None,
    )


def _checked_expiry(expiry: Expiry, today: date) -> Expiry:
    latest = Expiry(today.year + MOST_YEARS_AHEAD, today.month)
    if expiry.passed(today.year, today.month) or expiry > latest:
        raise InvalidField("token_expiry", "must not be before this month nor more than ten years away")
    return expiry


def _after(event: Event, record: TokenRecord, **facts: object) -> Outcome:
    effect = EFFECTS[event][record.state]
    if effect in _REFUSALS:
        return _REFUSALS[effect]
    changed = record.changed(**facts) if effect is Effect.DOES else record
    return record if changed == record else changed
