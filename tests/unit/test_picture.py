"""The picture of an authorisation: what it shows, what it leaves out, and what it says of steps that were not taken."""

from cardnet.picture import Phrase, plain, rows, summary, who_saw_the_pan
from cardnet.traced import Trace, TracedStep

TOKEN = {"payment_token": "••••0016", "token_expiry": "2912"}
AMOUNT = {"amount_minor": "1240", "currency": "840"}
NUMBERS = {"payment_token": 2, "pan": 2, "token_expiry": 14, "pan_expiry": 14, "amount_minor": 4, "response_code": 39}


def step(number: int, fault: str = "", **fields: str) -> TracedStep:
    iso8583 = {name: NUMBERS[name] for name in fields if name in NUMBERS}
    return TracedStep(number, fields, iso8583, 1_000_000, 7_300_000, fault)


ASKED = (
    step(1, **TOKEN, **AMOUNT),
    step(2, **TOKEN, **AMOUNT, pos_entry_mode="CREDENTIAL_ON_FILE"),
    step(3, **TOKEN, **AMOUNT),
)
FOUND = step(4, **TOKEN, **AMOUNT, pan="••••1111", pan_expiry="3011", controls_passed="TOKEN, CRYPTOGRAM")
APPROVED = Trace(
    "0af7651916cd43dd8448eb211c80319c",
    (
        *ASKED,
        FOUND,
        # At the issuer the token stands beside the PAN, and not in field 2.
        TracedStep(5, {"pan": "••••1111", "pan_expiry": "3011", **AMOUNT}, NUMBERS, 0, 0),
        step(6, pan="••••1111", response_code="00"),
        step(7, payment_token="••••0016", response_code="00", pan_last_four="1111"),
        step(8, payment_token="••••0016", response_code="00", pan_last_four="1111"),
        step(9, response_code="00", auth_code="7K2Q9A", pan_last_four="1111"),
    ),
)


def said(trace: Trace, number: int) -> list[str]:
    return [str(phrase) for phrase in rows(trace)[number - 1].phrases]


def note(trace: Trace, number: int) -> str:
    return rows(trace)[number - 1].note


def test_a_step_shows_what_it_changed_and_what_it_adds() -> None:
    assert said(APPROVED, 2) == ["entry mode credential on file"]
    assert said(APPROVED, 3) == []
    assert said(APPROVED, 4) == [
        "DE2 token ••••0016 → PAN ••••1111",
        "DE14 expiry 2912 → 3011",
        "token ✓",
        "cryptogram ✓",
    ]
    assert said(APPROVED, 5) == ["DE2 token ••••0016 → PAN ••••1111", "DE14 expiry 2912 → 3011"]
    assert said(APPROVED, 7) == ["DE2 PAN ••••1111 → token ••••0016", "DE39 00 approved", "last four 1111"]


def test_an_answer_says_at_each_step_what_it_is() -> None:
    for number in (6, 7, 8, 9):
        assert "DE39 00 approved" in said(APPROVED, number)


def test_a_code_of_letters_alone_is_written_as_it_is() -> None:
    answered = step(6, pan="••••1111", response_code="00", auth_code="YAYGTI")
    told = said(Trace("1", (*APPROVED.steps[:5], answered, *APPROVED.steps[6:])), 6)
    assert told == ["DE39 00 approved", "auth code YAYGTI"]


def test_with_every_field_nothing_is_left_out() -> None:
    shown = rows(APPROVED, every_field=True)[2].phrases
    assert [phrase.label for phrase in shown] == ["DE2 token", "DE14 expiry", "DE4 amount"]
    assert shown[2] == Phrase("DE4 amount", "", "12.40 USD")


def test_a_refused_token_is_not_shown_to_the_issuer() -> None:
    trace = Trace("00", (*ASKED, step(4, refusal="TOKEN_SUSPENDED", response_code="62"), *APPROVED.steps[6:]))
    assert note(trace, 5) == note(trace, 6) == "not asked: step 4 refused"
    assert "refused token suspended" in said(trace, 4)


def test_a_silent_issuer_is_seen_where_its_answer_would_be() -> None:
    trace = Trace("00", (*ASKED, FOUND, step(5, "DEADLINE_EXCEEDED", pan="••••1111"), *APPROVED.steps[6:]))
    assert note(trace, 5) == ""
    assert note(trace, 6) == "no answer in time"


def test_the_pan_was_seen_where_a_message_carried_it() -> None:
    assert who_saw_the_pan(APPROVED) == (["network", "tsp", "issuer"], ["merchant", "acquirer"])
    assert who_saw_the_pan(Trace("00", ASKED)) == ([], ["merchant", "acquirer", "network"])


def test_a_trace_is_summed_up_in_a_line() -> None:
    assert summary(APPROVED) == ("0af76519", "12.40 USD", "00 approved", "7K2Q9A", 6.3)
    assert summary(Trace("0af76519", ())) == ("0af76519", "", "", "", 0.0)


def test_the_plain_picture_has_a_hundred_columns_and_names_what_is_missing() -> None:
    drawn = plain(Trace(APPROVED.trace_id, APPROVED.steps, ["Detokenise was answered, but …"])).splitlines()
    assert all(len(line) <= 100 for line in drawn)
    assert drawn[0] == "authorisation 0af7651916cd43dd8448eb211c80319c · 12.40 USD · 00 approved · 7K2Q9A"
    assert drawn[-1] == "missing: Detokenise was answered, but …"
    assert len([line for line in drawn if line[:2].strip().isdigit()]) == 9


def test_a_trace_that_somebody_made_up_cannot_command_the_terminal() -> None:
    made_up = {
        "amount_minor": "\x1b[2J",
        "currency": "\x07",
        "response_code": "\x1b",
        "\x1b]0;": "\x1b",
        "notice": "\r",
    }
    trace = Trace("00", [TracedStep(number, made_up, {}, 0, 0, "\x1b[31m") for number in (1, 4, 9)])
    drawn = plain(trace) + str(summary(trace)) + str(rows(trace, every_field=True))
    assert all(letter.isprintable() or letter == "\n" for letter in drawn)
    assert "\\x1b" not in drawn
