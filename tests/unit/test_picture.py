"""The picture of an authorisation: what it shows, what it leaves out, and what it says of steps that were not taken."""

from dataclasses import replace

from cardnet.traces.picture import Phrase, plain, rows, summary, who_may_have_seen_the_pan, who_saw_the_pan
from cardnet.traces.trace import Trace, TracedStep

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


def test_where_step_4_was_not_answered_the_issuer_was_not_asked() -> None:
    trace = Trace("00", (*ASKED, step(4, "UNAVAILABLE"), *APPROVED.steps[6:]))
    assert note(trace, 4) == "could not be reached, or could not answer"
    assert note(trace, 5) == note(trace, 6) == "not asked: step 4 was not answered"


def test_the_plain_picture_says_who_decided_and_who_saw_the_pan() -> None:
    assert plain(APPROVED).splitlines()[-2:] == [
        "decided at step 6: the issuer approved 12.40 USD",
        "PAN seen by: network, tsp, issuer; never by: merchant, acquirer",
    ]


def test_a_silent_issuer_is_seen_where_its_answer_would_be() -> None:
    trace = Trace("00", (*ASKED, FOUND, step(5, "DEADLINE_EXCEEDED", pan="••••1111"), *APPROVED.steps[6:]))
    assert note(trace, 5) == ""
    assert note(trace, 6) == "no answer in time"


def test_the_pan_was_seen_where_a_message_carried_it() -> None:
    assert who_saw_the_pan(APPROVED) == (["network", "tsp", "issuer"], ["merchant", "acquirer"])
    assert who_saw_the_pan(Trace("00", ASKED)) == ([], ["merchant", "acquirer", "network"])


def silent_issuer(switch: str = "", **known: bool) -> Trace:
    """The issuer, of whom nothing is recorded."""
    asked = replace(step(5, "UNAVAILABLE", pan="••••1111"), disturbed=switch, **{"arrived": False, **known})  # type: ignore[arg-type]
    return Trace("00", (*ASKED, FOUND, asked, *APPROVED.steps[6:]))


def test_who_was_sent_the_pan_saw_it_only_if_it_arrived() -> None:
    trace = silent_issuer()
    assert who_saw_the_pan(trace) == (["network", "tsp"], ["merchant", "acquirer"])
    assert who_may_have_seen_the_pan(trace) == {"issuer": "sent to the issuer, arrival not recorded"}
    assert plain(trace).endswith("never by: merchant, acquirer; sent to the issuer, arrival not recorded")
    assert who_saw_the_pan(silent_issuer(arrived=True)) == (["network", "tsp", "issuer"], ["merchant", "acquirer"])


def test_who_was_not_asked_has_not_seen_the_pan() -> None:
    for switch in ("the request does not arrive", "answered UNAVAILABLE, nobody is asked"):
        trace = silent_issuer(switch)
        assert who_saw_the_pan(trace) == (["network", "tsp"], ["merchant", "acquirer"])
        assert who_may_have_seen_the_pan(trace) == {}
        assert note(trace, 5) == f"by a fault switch: {switch}"
        assert note(trace, 6) == "nobody was asked"
    assert who_may_have_seen_the_pan(silent_issuer("the answer is lost")).keys() == {"issuer"}


def test_who_went_on_with_a_message_has_had_it() -> None:
    answer = step(6, response_code="00")  # it shows that the PAN came, though it does not bring it back
    asked = [replace(one, arrived=False) for one in (*ASKED, FOUND, APPROVED.steps[4], answer)]
    assert who_saw_the_pan(Trace("00", asked)) == (["network", "tsp", "issuer"], ["merchant", "acquirer"])


def test_who_was_asked_and_did_not_get_it_took_no_part() -> None:
    lost = replace(ASKED[2], fault="UNAVAILABLE", arrived=False)
    assert who_saw_the_pan(Trace("00", (*ASKED[:2], lost))) == ([], ["merchant", "acquirer"])


def test_of_a_token_service_provider_whose_answer_was_lost_it_is_not_known() -> None:
    lost = replace(step(4, "DEADLINE_EXCEEDED"), disturbed="the answer is lost")
    trace = Trace("00", (*ASKED, lost, *APPROVED.steps[6:]))
    assert who_saw_the_pan(trace) == ([], ["merchant", "acquirer", "network"])
    assert who_may_have_seen_the_pan(trace) == {"tsp": "the tsp's answer was not recorded"}
    assert note(trace, 4) == "by a fault switch: the answer is lost"
    assert "PAN seen by: not known; never by: merchant, acquirer, network; the tsp's answer was" in plain(trace)
    assert "PAN seen by: nobody; never by: merchant, acquirer" in plain(Trace("00", ASKED))
    killed = Trace("00", ASKED, ["the network asked Detokenise, but its own record of that has not come"])
    assert "PAN seen by: not known; never by: merchant, acquirer" in plain(killed)


def test_a_merchant_that_cannot_answer_says_so_itself() -> None:
    trace = Trace("00", (step(1, "UNAVAILABLE"), step(2, "UNAVAILABLE")))
    assert note(trace, 8) == "could not be reached, or could not answer"
    assert note(trace, 9) == "the merchant answered its caller with an error: unavailable"
    assert note(Trace("00", (step(1, "CANCELLED"),)), 9) == "the caller went away"


def test_what_is_missing_is_said_to_its_end() -> None:
    drawn = plain(Trace("00", (), ["word " * 50 + "end"]))
    assert drawn.endswith("end") and all(len(line) <= 100 for line in drawn.splitlines())


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
