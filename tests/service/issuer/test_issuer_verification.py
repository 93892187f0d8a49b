"""How the issuer verifies an account before a token is issued: its decision, and the passcode of a step-up."""

import asyncio
import hmac
from collections import Counter
from datetime import timedelta
from itertools import count

import pytest
from issuer_bank import KEY, Bank

from cardnet.cde.v1 import issuer_pb2 as pb
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Unavailable
from cardnet.test_cards import test_card
from cardnet.v1.token_pb2 import TokenState
from cardnet.v1.token_service_pb2 import PasscodeOutcome, TokenDecision

RIGHT, WRONG, NO_TRIES_LEFT, EXPIRED = (
    getattr(PasscodeOutcome, f"PASSCODE_OUTCOME_{name}") for name in ("RIGHT", "WRONG", "NO_TRIES_LEFT", "EXPIRED")
)
_numbers = count(1)


def answer(code: str, outcome: int = 0, tries_left: int = 0) -> pb.CheckPasscodeResponse:
    return pb.CheckPasscodeResponse(response_code=code, outcome=outcome, tries_left=tries_left)


CONFIRMED = pb.CheckPasscodeResponse(
    response_code="00",
    outcome=RIGHT,
    token_assurance_level="11",
    token_assurance_data="issuer one-time passcode",
)


class Telephone:
    """A cardholder whose issuer sends passcodes, and the token service provider that hands them in.

    Two tokens wait, each under a reference of its own that no other test has.
    """

    def __init__(self, bank: Bank, pan: str) -> None:
        self.bank, self.pan = bank, pan
        self.reference, self.other = (f"reference-{next(_numbers)}" for _ in range(2))

    async def verify(self, reference: str = "", pan_expiry: str = "3011") -> pb.VerifyAccountResponse:
        reference = reference or self.reference
        request = pb.VerifyAccountRequest(pan=self.pan, pan_expiry=pan_expiry, token_reference_id=reference)
        return await self.bank.verify(request)

    async def step_up(self, reference: str = "") -> str:
        """Have a passcode sent; what it is."""
        assert (await self.verify(reference)).decision == TokenDecision.TOKEN_DECISION_STEP_UP
        return (await self.read(reference)).passcode

    async def read(self, reference: str = "") -> pb.ReadPasscodeResponse:
        request = pb.ReadPasscodeRequest(token_reference_id=reference or self.reference)
        return await self.bank.operator.ReadPasscode(request)

    async def check(self, passcode: str, reference: str = "") -> pb.CheckPasscodeResponse:
        request = pb.CheckPasscodeRequest(token_reference_id=reference or self.reference, passcode=passcode)
        return await self.bank.check_passcode(request)

    def key(self, reference: str = "") -> str:
        """Where the store has the passcode."""
        naming = hmac.digest(bytes.fromhex(KEY), b"cardnet issuer passcode naming", "sha256")
        name = hmac.digest(naming, f"step-up {reference or self.reference}".encode(), "sha256")
        return f"issuer:{{{name.hex()[:32]}}}:passcode"


async def customer(bank: Bank, verification: str = "PASSCODE") -> Telephone:
    """One with a new account, which the issuer verifies so."""
    return Telephone(bank, await bank.open(0, verification=pb.Verification.Value(f"VERIFICATION_{verification}")))


@pytest.fixture
async def telephone(bank: Bank) -> Telephone:
    return await customer(bank)


def wrong(passcode: str, by: int = 1) -> str:
    return f"{(int(passcode) + by) % 1_000_000:06}"


# The decision.


@pytest.mark.parametrize(
    ("verification", "code", "decision", "state"),
    [
        ("UNSPECIFIED", "00", "APPROVED", "ACTIVE"),
        ("ACCOUNT", "00", "APPROVED", "ACTIVE"),
        ("PASSCODE", "00", "STEP_UP", "INACTIVE"),
        ("PASSCODE_WRONG", "00", "STEP_UP", "INACTIVE"),
        ("DECLINE", "05", "DECLINED", "UNSPECIFIED"),
        ("INELIGIBLE", "57", "INELIGIBLE", "UNSPECIFIED"),
    ],
)
async def test_the_account_decides_and_no_more_is_claimed_than_was_done(bank, verification, code, decision, state):
    telephone = await customer(bank, verification)

    verified = await telephone.verify()

    done = ("10", "issuer account verification") if code == "00" else ("", "")
    assert verified == pb.VerifyAccountResponse(
        response_code=code,
        decision=TokenDecision.Value(f"TOKEN_DECISION_{decision}"),
        token_state=TokenState.Value(f"TOKEN_STATE_{state}"),
        token_assurance_level=done[0],
        token_assurance_data=done[1],
    )
    assert (await telephone.read()).response_code == ("00" if decision == "STEP_UP" else "25")


@pytest.mark.parametrize("verification", ["ACCOUNT", "PASSCODE", "DECLINE", "INELIGIBLE"])
async def test_an_expiry_that_is_not_the_cards_is_told_before_anything_else(bank, verification):
    telephone = await customer(bank, verification)

    verified = await telephone.verify(pan_expiry="3012")

    declined = TokenDecision.TOKEN_DECISION_DECLINED
    assert verified == pb.VerifyAccountResponse(response_code="54", decision=declined)
    assert (await telephone.read()).response_code == "25"


async def test_an_account_that_is_not_there_is_declined(bank):
    declined = TokenDecision.TOKEN_DECISION_DECLINED
    assert await Telephone(bank, test_card("approved").pan).verify() == pb.VerifyAccountResponse(
        response_code="14", decision=declined
    )


# The passcode.


async def test_the_right_passcode_confirms_the_cardholder_once(telephone):
    passcode = await telephone.step_up()
    assert await telephone.check(passcode) == CONFIRMED
    assert await telephone.check(passcode) == answer("25")
    assert (await telephone.read()).response_code == "25"


async def test_the_third_wrong_passcode_is_the_last_and_then_the_right_one_is_no_use(telephone):
    passcode = await telephone.step_up()
    assert [await telephone.check(wrong(passcode, by)) for by in (1, 2, 3)] == [
        answer("55", WRONG, 2),
        answer("55", WRONG, 1),
        answer("75", NO_TRIES_LEFT),
    ]
    assert await telephone.check(passcode) == answer("75", NO_TRIES_LEFT)


async def test_the_right_passcode_counts_at_the_last_try(telephone):
    passcode = await telephone.step_up()
    for by in (1, 2):
        await telephone.check(wrong(passcode, by))
    assert await telephone.check(passcode) == CONFIRMED


async def test_thirty_two_guesses_at_once_have_three_tries_between_them(telephone):
    passcode = await telephone.step_up()

    answers = await asyncio.gather(*(telephone.check(wrong(passcode, by)) for by in range(1, 33)))

    assert Counter(one.response_code for one in answers) == {"55": 2, "75": 30}
    assert await telephone.check(passcode) == answer("75", NO_TRIES_LEFT)


async def test_the_right_passcode_thirty_two_times_at_once_confirms_once(telephone):
    passcode = await telephone.step_up()
    answers = await asyncio.gather(*(telephone.check(passcode) for _ in range(32)))
    assert Counter(one.response_code for one in answers) == {"00": 1, "25": 31}


async def test_asking_again_makes_a_new_passcode_with_all_its_tries(telephone):
    first = await telephone.step_up()
    for by in (1, 2, 3):
        await telephone.check(wrong(first, by))

    second = await telephone.step_up()

    assert second != first
    assert await telephone.check(first) == answer("55", WRONG, 2)
    assert await telephone.check(second) == CONFIRMED


async def test_a_passcode_is_good_for_ten_minutes(telephone):
    for seconds, expected in ((599, CONFIRMED), (600, answer("54", EXPIRED)), (864_000, answer("54", EXPIRED))):
        passcode = await telephone.step_up()
        telephone.bank.clock.advance(timedelta(seconds=seconds))
        assert await telephone.check(passcode) == expected


async def test_an_expired_passcode_uses_no_tries_up_and_asking_again_helps(telephone):
    passcode = await telephone.step_up()
    telephone.bank.clock.advance(timedelta(minutes=10))
    for by in range(4):
        assert await telephone.check(wrong(passcode, by)) == answer("54", EXPIRED)
    assert await telephone.check(await telephone.step_up()) == CONFIRMED


async def test_each_step_up_has_a_passcode_of_its_own(telephone):
    passcode, other = await telephone.step_up(), await telephone.step_up(telephone.other)
    assert passcode != other
    assert await telephone.check(passcode, telephone.other) == answer("55", WRONG, 2)
    assert await telephone.check(other) == answer("55", WRONG, 2)
    assert [await telephone.check(passcode), await telephone.check(other, telephone.other)] == [CONFIRMED, CONFIRMED]


async def test_where_no_passcode_is_right_the_one_that_was_sent_is_not_either(bank):
    telephone = await customer(bank, "PASSCODE_WRONG")
    passcode = await telephone.step_up()
    answers = [(await telephone.check(passcode)).response_code for _ in range(3)]
    assert answers == ["55", "55", "75"]


async def test_nobody_waits_for_a_passcode_that_was_not_sent(bank):
    telephone = await customer(bank)
    assert await telephone.check("123456") == answer("25")
    assert await telephone.read() == pb.ReadPasscodeResponse(response_code="25")


async def test_tries_and_minutes_are_settings(store):
    async with Bank(store, passcode_tries=1, passcode_minutes=1) as bank:
        telephone = await customer(bank)
        assert await telephone.check(wrong(await telephone.step_up())) == answer("75", NO_TRIES_LEFT)
        passcode = await telephone.step_up()
        bank.clock.advance(timedelta(minutes=1))
        assert await telephone.check(passcode) == answer("54", EXPIRED)


async def test_a_seed_repeats_the_passcodes(store):
    sent = []
    for _ in range(2):
        async with Bank(store) as bank:
            telephone = await customer(bank)
            sent.append([await telephone.step_up(), await telephone.step_up(telephone.other)])
    assert sent[0] == sent[1]


async def test_a_step_up_outlives_a_restart_of_issuer_and_store():
    with EmbeddedStore.start(None, ["issuer"]) as running:
        async with Bank(running) as bank:
            telephone = await customer(bank)
            passcode = await telephone.step_up()
            await telephone.check(wrong(passcode))
        running.kill()
        running.restart()
        async with Bank(running) as bank:
            telephone.bank = bank
            assert (await telephone.read()).passcode == passcode
            assert await telephone.check(wrong(passcode)) == answer("55", WRONG, 1)
            assert await telephone.check(passcode) == CONFIRMED


# What is kept.


async def test_whoever_has_the_store_has_no_passcode_and_no_reference(telephone):
    passcode = await telephone.step_up()
    key = telephone.key()
    kept = await telephone.bank.service.store.command("HGETALL", key)

    assert set(kept) == {b"digest", b"sealed", b"expires_s", b"tries_left"}
    seen = b"\n".join([key.encode(), *kept.values()])
    assert passcode.encode() not in seen
    assert telephone.reference.encode() not in seen
    again = await telephone.step_up()
    renewed = await telephone.bank.service.store.command("HGETALL", key)
    assert again != passcode
    assert renewed[b"digest"] != kept[b"digest"]
    assert renewed[b"sealed"] != kept[b"sealed"]


async def test_a_passcode_that_was_moved_or_altered_in_the_store_is_not_shown_and_not_right(telephone):
    passcode, _ = await telephone.step_up(), await telephone.step_up(telephone.other)
    here, there = telephone.key(), telephone.key(telephone.other)
    store = telephone.bank.service.store
    kept = await store.command("HGETALL", here)
    for sealed in (kept[b"sealed"], b"", kept[b"sealed"][:-1]):
        await store.command("HSET", there, "sealed", sealed, "digest", kept[b"digest"])
        with pytest.raises(Unavailable) as fault:
            await telephone.read(telephone.other)
        assert fault.value.reason == "STORE_REFUSED"
    assert await telephone.check(passcode, telephone.other) == answer("55", WRONG, 2)


@pytest.mark.parametrize(("field", "value"), [("tries_left", "nan"), ("tries_left", "-1"), ("expires_s", "1e2")])
async def test_a_damaged_step_up_is_refused(telephone, field, value):
    passcode = await telephone.step_up()
    await telephone.bank.service.store.command("HSET", telephone.key(), field, value)
    with pytest.raises(Unavailable):
        await telephone.check(passcode)


async def test_no_passcode_is_logged_or_told_in_an_answer(telephone, caplog):
    passcode = await telephone.step_up()
    answers = [await telephone.check(wrong(passcode)), await telephone.check(passcode)]
    assert passcode not in caplog.text + repr(answers)
