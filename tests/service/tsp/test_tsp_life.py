"""The life of a token as a state machine: who may do what in which state, and that no path leads back from the end."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardnet.card import Expiry, Pan
from cardnet.errors import InvalidField
from cardnet.response_code import ResponseCode
from services.tsp import life
from services.tsp.domain import Assurance, Party, TokenRecord, TokenState, new_record
from services.tsp.requestors import REQUESTORS

TODAY = date(2026, 11, 22)
ISSUED = new_record(
    Pan("9999000000000012"),
    REQUESTORS[0],
    TokenState.ACTIVE,
    par="SIMX" + "A" * 25,
    assurance=Assurance("10", "issuer account verification"),
    today=TODAY,
)
LATER = life.Attributes(Expiry(2031, 11), None)
TSP, ISSUER, REQUESTOR = Party.TSP, Party.ISSUER, Party.REQUESTOR

EVENTS = {
    "suspend": life.suspend,
    "resume": life.resume,
    "activate": lambda record, _party: life.activate(record),
    "unlink": lambda record, _party: life.unlink(record),
    "lose": lambda record, _party: life.lose(record),
    "update": lambda record, _party: life.update_attributes(record, LATER),
}


def token(state: str, *suspended_by: Party) -> TokenRecord:
    return ISSUED.changed(state=TokenState[state], suspended_by=frozenset(suspended_by))


INACTIVE, ACTIVE, DELETED = token("INACTIVE"), token("ACTIVE"), token("DELETED")
OURS, THEIRS, BOTH = token("SUSPENDED", REQUESTOR), token("SUSPENDED", ISSUER), token("SUSPENDED", REQUESTOR, ISSUER)
REFUSED, NOT_IN_USE = ResponseCode.NOT_PERMITTED_TO_CARD, ResponseCode.TOKEN_NOT_IN_USE


@pytest.mark.parametrize(
    ("event", "outcomes"),
    [
        #            INACTIVE    ACTIVE   OURS     THEIRS   BOTH     DELETED
        ("suspend", (NOT_IN_USE, OURS, OURS, BOTH, BOTH, NOT_IN_USE)),
        ("resume", (NOT_IN_USE, ACTIVE, ACTIVE, REFUSED, THEIRS, NOT_IN_USE)),
        ("activate", (ACTIVE, ACTIVE, REFUSED, REFUSED, REFUSED, NOT_IN_USE)),
        ("unlink", (DELETED,) * 6),
        ("lose", (DELETED, THEIRS, BOTH, THEIRS, BOTH, DELETED)),
    ],
)
def test_what_the_requestor_asks_of_a_token_in_each_state(event: str, outcomes: tuple[life.Outcome, ...]) -> None:
    before = (INACTIVE, ACTIVE, OURS, THEIRS, BOTH, DELETED)
    assert tuple(EVENTS[event](record, REQUESTOR) for record in before) == outcomes


@pytest.mark.parametrize("record", [INACTIVE, ACTIVE, THEIRS, DELETED], ids=lambda record: record.state.name)
def test_attributes_change_while_the_token_is_in_use_and_nothing_else_does(record: TokenRecord) -> None:
    outcome = life.update_attributes(record, LATER)
    in_use = record.state in (TokenState.ACTIVE, TokenState.SUSPENDED)
    assert outcome == (record.changed(token_expiry=Expiry(2031, 11)) if in_use else NOT_IN_USE)


@pytest.mark.parametrize(
    "again",
    [
        lambda: (OURS, life.suspend(OURS, REQUESTOR)),
        lambda: (ACTIVE, life.resume(ACTIVE, REQUESTOR)),
        lambda: (ACTIVE, life.activate(ACTIVE)),
        lambda: (DELETED, life.unlink(DELETED)),
        lambda: (ACTIVE, life.update_attributes(ACTIVE, life.Attributes(ACTIVE.token_expiry, None))),
    ],
)
def test_what_is_so_already_gives_the_very_record(again: Any) -> None:
    record, outcome = again()
    assert outcome is record


def test_the_table_knows_every_event_and_every_state_that_a_party_can_meet() -> None:
    assert set(life.EFFECTS) == set(life.Event)
    assert all(set(row) == set(TokenState) - {TokenState.PENDING} for row in life.EFFECTS.values())


always_the_same = settings(max_examples=300, derandomize=True, deadline=None, database=None)
events = st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.sampled_from(Party)), max_size=40)
states = st.sampled_from([INACTIVE, ACTIVE, OURS, THEIRS, BOTH, DELETED])


@always_the_same
@given(states, events)
def test_no_sequence_revives_a_deleted_token_nor_lifts_what_somebody_else_suspended(
    record: TokenRecord, asked: list[tuple[str, Party]]
) -> None:
    for event, party in asked:
        before = record
        outcome = EVENTS[event](before, party)
        record = before if isinstance(outcome, ResponseCode) else outcome
        if before.state is TokenState.DELETED:
            assert record is before
        if record.state is not TokenState.DELETED:
            assert before.suspended_by - record.suspended_by <= ({party} if event == "resume" else set())
        assert (record.state is TokenState.SUSPENDED) == bool(record.suspended_by)
        if record.state is TokenState.INACTIVE:
            assert before.state is TokenState.INACTIVE


@always_the_same
@given(events)
def test_a_token_is_suspended_as_long_as_a_party_has_not_resumed_it(asked: list[tuple[str, Party]]) -> None:
    record, suspenders = ACTIVE, set()
    for event, party in asked:
        if event == "unlink":
            continue
        outcome = EVENTS[event](record, party)
        record = record if isinstance(outcome, ResponseCode) else outcome
        if event in ("suspend", "lose"):
            suspenders.add(ISSUER if event == "lose" else party)
        elif event == "resume":
            suspenders.discard(party)
        assert record.suspended_by == suspenders


@pytest.mark.parametrize(
    ("expiry", "right"),
    [("2610", False), ("2611", True), ("3611", True), ("3612", False), ("9912", False)],
)
def test_an_expiry_is_from_this_month_to_ten_years_on(expiry: str, right: bool) -> None:
    if right:
        assert life.attributes(expiry, "", "", TSP, TODAY) == life.Attributes(Expiry.parse(expiry), None)
    else:
        with pytest.raises(InvalidField) as fault:
            life.attributes(expiry, "", "", TSP, TODAY)
        assert fault.value.field == "token_expiry"


@pytest.mark.parametrize(
    ("party", "levels"),
    [
        (REQUESTOR, {"01", "02", "03"}),
        (ISSUER, {"10", "11", "12", "13", "14"}),
        (TSP, {"00", "01", "02", "03", "10", "11", "12", "13", "14"}),
    ],
)
def test_a_party_tells_of_the_assurance_that_it_can_have_obtained(party: Party, levels: set[str]) -> None:
    taken = set()
    for level in (f"{number:02}" for number in range(100)):
        try:
            asked = life.attributes("", level, "asked by telephone", party, TODAY)
        except InvalidField as fault:
            assert fault.field == "token_assurance_level"
        else:
            assert asked == life.Attributes(None, Assurance(level, "asked by telephone"))
            taken.add(level)
    assert taken == levels


@pytest.mark.parametrize(
    ("level", "data", "field"),
    [("10", "", "token_assurance_data"), ("", "said so", "token_assurance_level"), ("", "", "token_expiry")],
)
def test_an_update_says_something_and_says_it_whole(level: str, data: str, field: str) -> None:
    with pytest.raises(InvalidField) as fault:
        life.attributes("", level, data, ISSUER, TODAY)
    assert fault.value.field == field


def test_a_new_assurance_takes_the_place_of_level_and_data() -> None:
    outcome = life.update_attributes(ACTIVE, life.Attributes(None, Assurance("12", "3-D Secure challenge")))
    assert outcome == ACTIVE.changed(assurance_level="12", assurance_data="3-D Secure challenge")
