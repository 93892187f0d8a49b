"""The issuer's service as its neighbours meet it, over the in-process wire and with a real store."""

import asyncio
import base64
import hashlib
import hmac
import re
from datetime import date
from itertools import count

import pytest

from cardnet import cryptogram
from cardnet.card import PaymentToken, luhn_digit
from cardnet.cde.v1 import issuer_pb2 as pb
from cardnet.cde.v1.issuer_pb2_grpc import IssuerOperatorStub, IssuerStub
from cardnet.cde.v1.token_vault_pb2 import OnBehalfOfValidation, TokenState
from cardnet.client import Channel
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Env
from cardnet.errors import Fault, TimedOut, Unavailable
from cardnet.identity import METADATA_KEY, digest
from cardnet.money import Money
from cardnet.store import Store
from cardnet.test_cards import TEST_CARDS, test_card
from cardnet.v1.payment_pb2 import MerchantData, PosEntryMode, TransactionKey
from cardnet.wire import InProcessLink
from services.issuer.app import Config, build

KEY = "11" * 32
CRYPTOGRAM_KEY = "000102030405060708090A0B0C0D0E0F"
LEFT_TO_ISSUER = OnBehalfOfValidation.ON_BEHALF_OF_VALIDATION_CRYPTOGRAM_LEFT_TO_ISSUER
EUR, USD = "978", "840"
TOKEN = "9999400000000014"
_numbers = count(1)


class Bank:
    """An issuer that runs, and its three kinds of callers."""

    def __init__(self, store: EmbeddedStore, **settings: object) -> None:
        callers = ",".join(f"{name}={digest(name)}" for name in ("network", "tsp", "operator"))
        config = Config(
            redis_url=store.url("issuer"),
            callers=callers,
            frozen_at="2026-11-22T09:30:00Z",
            **{"account_key": KEY, "seed_cards": False, **settings},
        )
        self.service = build(config, Env.of("issuer", "seed", config.frozen_at), [])
        self.link = InProcessLink("issuer", self.service.border)
        self.issuer = IssuerStub(self._channel("network"))
        self.verify = IssuerStub(self._channel("tsp")).VerifyAccount
        self.operator = IssuerOperatorStub(self._channel("operator"))

    def _channel(self, caller: str) -> Channel:
        return Channel(self.link, Env.of("test"), credential=caller, timeout_s=5)

    async def __aenter__(self) -> "Bank":
        await self.service.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.service.stop()

    async def open(self, balance_minor: int, **fields: object) -> str:
        """A new account in EUR; gives its PAN."""
        digits = f"99990050{next(_numbers):07}"
        pan = digits + luhn_digit(digits)
        fields = {"status": pb.ACCOUNT_STATUS_OPEN, "pan_expiry": "3011", "currency": EUR, **fields}
        opened = await self.operator.OpenAccount(pb.OpenAccountRequest(pan=pan, balance_minor=balance_minor, **fields))
        assert opened.response_code == "00"
        return pan

    async def stands(self, pan: str) -> tuple[int, int, int]:
        """What is available, what is held, how many holds there are."""
        account = await self.operator.GetAccount(pb.GetAccountRequest(pan=pan))
        return account.available_minor, account.held_minor, account.holds

    async def authorise(self, request: pb.AuthoriseRequest) -> str:
        return (await self.issuer.Authorise(request)).response_code

    async def reverse(self, original: pb.AuthoriseRequest, **changes: object) -> str:
        fields = {"amount_minor": original.amount_minor, "currency": original.currency, **changes}
        request = pb.ReverseRequest(transaction=original.transaction, pan=original.pan, **fields)
        return (await self.issuer.Reverse(request)).response_code


def purchase(pan: str, amount_minor: int = 100, **changes: object) -> pb.AuthoriseRequest:
    """A purchase that nothing is wrong with, as the network sends it; each has its own transaction."""
    number = next(_numbers)
    fields = {
        "transaction": TransactionKey(
            acquirer_id="99990000001",
            stan=f"{number:06}",
            transmission_time="1122093000",
            rrn=f"632609{number:06}",
        ),
        "pan_expiry": "3011",
        "currency": EUR,
        "merchant": merchant("MERCHANT0000001"),
        "pos_entry_mode": PosEntryMode.POS_ENTRY_MODE_ECOMMERCE,
        "on_behalf_of_validation": OnBehalfOfValidation.ON_BEHALF_OF_VALIDATION_PASSED,
        "payment_token": TOKEN,
        "token_assurance_level": "00",
        "token_requestor_id": "00000000001",
    }
    return pb.AuthoriseRequest(pan=pan, amount_minor=amount_minor, **{**fields, **changes})


def merchant(merchant_id: str) -> MerchantData:
    return MerchantData(
        merchant_id=merchant_id,
        merchant_domain="shop.example",
        merchant_name="Shop",
        merchant_category_code="5942",
        merchant_country="392",
    )


def repeated(request: pb.AuthoriseRequest, **changes: object) -> pb.AuthoriseRequest:
    """The same transaction once more, with something else in it."""
    again = pb.AuthoriseRequest()
    again.CopyFrom(request)
    again.MergeFrom(pb.AuthoriseRequest(**changes))
    return again


@pytest.fixture(scope="module")
def store():
    with EmbeddedStore.start(None, ["issuer"]) as running:
        yield running


@pytest.fixture
async def bank(store):
    async with Bank(store) as running:
        yield running


async def test_an_approval_holds_the_amount(bank):
    pan = await bank.open(10_000)

    answer = await bank.issuer.Authorise(purchase(pan, 1_250))

    assert (answer.pan, answer.response_code) == (pan, "00")
    assert re.fullmatch("[A-Z0-9]{6}", answer.auth_code)
    assert await bank.stands(pan) == (8_750, 1_250, 1)


async def test_a_refusal_holds_nothing_and_has_no_auth_code(bank):
    pan = await bank.open(100)

    answer = await bank.issuer.Authorise(purchase(pan, 101))

    assert (answer.response_code, answer.auth_code) == ("51", "")
    assert await bank.stands(pan) == (100, 0, 0)


async def test_an_unknown_account_is_refused_and_a_repeat_is_too(bank):
    request = purchase(test_card("approved").pan)
    assert [await bank.authorise(request), await bank.authorise(request)] == ["14", "14"]


async def test_the_purchase_limit_holds_whatever_the_balance(bank):
    pan = await bank.open(10_000, purchase_limit_minor=500)
    assert [await bank.authorise(purchase(pan, 501)), await bank.authorise(purchase(pan, 500))] == ["61", "00"]


async def test_a_purchase_that_nobody_validated_is_a_security_violation(bank):
    pan = await bank.open(10_000)
    unvalidated = OnBehalfOfValidation.ON_BEHALF_OF_VALIDATION_NOT_PERFORMED
    assert await bank.authorise(purchase(pan, on_behalf_of_validation=unvalidated)) == "63"


async def test_32_purchases_for_the_last_money_approve_exactly_one(bank):
    pan = await bank.open(100)

    answers = await asyncio.gather(*(bank.authorise(purchase(pan, 100)) for _ in range(32)))

    assert sorted(answers) == ["00"] + ["51"] * 31
    assert await bank.stands(pan) == (0, 100, 1)


async def test_the_same_purchase_32_times_at_once_takes_one_hold_and_gets_the_same_bytes(bank):
    pan = await bank.open(10_000)
    data = purchase(pan, 100).SerializeToString()
    credential = {METADATA_KEY: "network"}

    answers = await asyncio.gather(
        *(bank.link.call("/cardnet.cde.v1.Issuer/Authorise", data, credential, 5) for _ in range(32))
    )

    assert len(set(answers)) == 1
    assert await bank.stands(pan) == (9_900, 100, 1)


async def test_a_repeat_gets_its_first_answer_also_when_the_money_is_there_by_then(bank):
    pan = await bank.open(100)
    first, second = purchase(pan, 100), purchase(pan, 100)
    assert [await bank.authorise(first), await bank.authorise(second)] == ["00", "51"]

    await bank.reverse(first)

    assert await bank.authorise(second) == "51"
    assert await bank.stands(pan) == (100, 0, 0)


@pytest.mark.parametrize(
    "change",
    [{"amount_minor": 200}, {"currency": USD}, {"merchant": merchant("MERCHANT0000002")}],
    ids=["amount", "currency", "merchant"],
)
async def test_another_purchase_under_the_same_transaction_is_a_duplicate_without_effect(bank, change):
    pan = await bank.open(10_000)
    request = purchase(pan, 100)
    await bank.authorise(request)

    assert await bank.authorise(repeated(request, **change)) == "94"

    assert await bank.stands(pan) == (9_900, 100, 1)
    assert await bank.authorise(request) == "00"


async def test_a_reversal_gives_the_hold_back_once_however_often_it_comes(bank):
    pan = await bank.open(1_000)
    request = purchase(pan, 300)
    await bank.authorise(request)
    await bank.authorise(purchase(pan, 200))

    answers = await asyncio.gather(*(bank.reverse(request) for _ in range(16)))

    assert set(answers) == {"00"}
    assert await bank.stands(pan) == (800, 200, 1)
    assert await bank.authorise(request) == "68"


async def test_a_reversal_before_its_original_leaves_a_mark(bank):
    pan = await bank.open(1_000)
    request = purchase(pan, 300)

    assert [await bank.reverse(request), await bank.reverse(request)] == ["00", "00"]

    assert await bank.authorise(request) == "68"
    assert await bank.stands(pan) == (1_000, 0, 0)


async def test_a_reversal_and_its_original_at_once_end_with_no_hold(bank):
    pan = await bank.open(10_000)
    requests = [purchase(pan, 100) for _ in range(16)]

    answers = await asyncio.gather(*(call(one) for one in requests for call in (bank.authorise, bank.reverse)))

    assert set(answers) <= {"00", "68"}
    assert await bank.stands(pan) == (10_000, 0, 0)


@pytest.mark.parametrize(
    ("change", "answer"),
    [({"amount_minor": 299}, "64"), ({"currency": USD}, "25"), ({"amount_minor": 299, "currency": USD}, "25")],
)
async def test_a_reversal_that_differs_from_its_original_gives_nothing_back(bank, change, answer):
    pan = await bank.open(1_000)
    request = purchase(pan, 300)
    await bank.authorise(request)

    assert await bank.reverse(request, **change) == answer
    assert await bank.stands(pan) == (700, 300, 1)


async def test_another_acquirer_cannot_reverse_a_purchase(bank):
    pan = await bank.open(1_000)
    request = purchase(pan, 300)
    await bank.authorise(request)
    stranger = TransactionKey(acquirer_id="99990000009")
    stranger.MergeFrom(TransactionKey(stan=request.transaction.stan, transmission_time="1122093000"))
    stranger.rrn = request.transaction.rrn

    other = pb.ReverseRequest(transaction=stranger, pan=pan, amount_minor=300, currency=EUR)
    assert (await bank.issuer.Reverse(other)).response_code == "00"

    assert await bank.stands(pan) == (700, 300, 1)


async def test_a_silent_issuer_never_answers_and_holds_nothing(bank):
    pan = await bank.open(1_000, status=pb.ACCOUNT_STATUS_SILENT)
    request = purchase(pan)

    with pytest.raises(TimedOut):
        await bank.issuer.Authorise(request, timeout=0.05)

    assert await bank.reverse(request) == "00"
    assert await bank.stands(pan) == (1_000, 0, 0)


def with_cryptogram(pan: str, atc: int, **changes: object) -> pb.AuthoriseRequest:
    """A purchase whose cryptogram is left to the issuer and right, unless a change makes it wrong."""
    request = purchase(pan, on_behalf_of_validation=LEFT_TO_ISSUER)
    bound = cryptogram.Purchase(100, EUR, "392", request.token_requestor_id, "shop.example", "MERCHANT0000001")
    bound = bound._replace(**{name: changes.pop(name) for name in bound._fields if name in changes})
    key = cryptogram.CryptogramKey(bytes.fromhex(str(changes.pop("key", CRYPTOGRAM_KEY))), changes.pop("index", 1))
    day = changes.pop("day", date(2026, 11, 22))
    request.cryptogram = key.make(PaymentToken(TOKEN), atc, b"4321", bound, day)
    return repeated(request, **changes)


@pytest.fixture
async def keyed_bank(store):
    """An issuer that validates cryptograms itself."""
    async with Bank(store, cryptogram_key=CRYPTOGRAM_KEY) as running:
        yield running


async def test_a_right_cryptogram_that_is_left_to_the_issuer_is_good_for_one_purchase(keyed_bank):
    pan = await keyed_bank.open(1_000)
    first, second = with_cryptogram(pan, atc=1), with_cryptogram(pan, atc=1)

    assert [await keyed_bank.authorise(one) for one in (first, first, second)] == ["00", "00", "82"]
    assert await keyed_bank.stands(pan) == (900, 100, 1)
    assert await keyed_bank.authorise(with_cryptogram(pan, atc=2)) == "00"


async def test_one_cryptogram_32_times_at_once_passes_exactly_once(keyed_bank):
    pan = await keyed_bank.open(10_000)

    answers = await asyncio.gather(*(keyed_bank.authorise(with_cryptogram(pan, atc=1)) for _ in range(32)))

    assert sorted(answers) == ["00"] + ["82"] * 31
    assert await keyed_bank.stands(pan) == (9_900, 100, 1)


async def test_a_cryptogram_is_used_up_by_a_purchase_that_there_is_no_money_for(keyed_bank):
    pan = await keyed_bank.open(50)
    assert [await keyed_bank.authorise(with_cryptogram(pan, atc=1)) for _ in range(2)] == ["51", "82"]


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 99},
        {"currency": USD},
        {"country": "840"},
        {"token_requestor_id": "00000000002"},
        {"merchant_domain": "shop.invalid"},
        {"merchant_id": "MERCHANT0000002"},
        {"payment_token": "9999400000000022"},
        {"key": "22" * 16},
        {"index": 2},
        {"day": date(2026, 11, 20)},
        {"cryptogram": "A" * 27 + "="},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_cryptogram_of_something_else_fails_and_uses_nothing_up(keyed_bank, change):
    pan = await keyed_bank.open(1_000)

    assert await keyed_bank.authorise(with_cryptogram(pan, atc=1, **change)) == "82"

    assert await keyed_bank.stands(pan) == (1_000, 0, 0)
    assert await keyed_bank.authorise(with_cryptogram(pan, atc=1)) == "00"


async def test_a_purchase_without_cryptogram_passes_where_the_token_service_provider_wants_none(keyed_bank):
    pan = await keyed_bank.open(1_000)
    assert await keyed_bank.authorise(purchase(pan, on_behalf_of_validation=LEFT_TO_ISSUER)) == "00"


async def test_an_issuer_without_keys_cannot_answer_for_a_cryptogram(bank):
    pan = await bank.open(1_000)
    assert await bank.authorise(with_cryptogram(pan, atc=1)) == "96"


async def test_an_authorisation_costs_two_round_trips_to_the_store(bank, monkeypatch):
    pan = await bank.open(1_000)
    asked = []
    for name in ("call", "command"):
        real = getattr(bank.service.store, name)
        monkeypatch.setattr(bank.service.store, name, lambda *args, real=real: asked.append(args[0]) or real(*args))

    await bank.authorise(purchase(pan))

    assert asked == ["HGETALL", "issuer_take_hold"]


@pytest.mark.parametrize(("field", "value"), [("available", "nan"), ("held", "1e2"), ("holds", "0x10"), ("held", "")])
async def test_a_damaged_account_is_refused_and_left_as_it_is(bank, field, value):
    place = tagged(await bank.open(1_000))
    store = bank.service.store
    await store.command("HSET", f"{place}:account", field, value)
    before = await store.command("HGETALL", f"{place}:account")

    with pytest.raises(Unavailable, match="refuses"):
        await store.call("issuer_take_hold", (f"{place}:account", f"{place}:t"), ("00", "A", "100", "-100", EUR, "F"))

    assert await store.command("HGETALL", f"{place}:account") == before
    assert not await store.command("EXISTS", f"{place}:t")


@pytest.mark.parametrize("amount", ["nan", "1e2", "0x10", "", "-1", "1" * 13, "1\n"])
async def test_the_ledger_takes_no_amount_that_is_none(bank, amount):
    place = tagged(await bank.open(1_000))
    keys, store = (f"{place}:account", f"{place}:t"), bank.service.store

    for function, before, after in (("take", ("00", "A"), (EUR, "F")), ("release", (), (EUR,))):
        with pytest.raises(Unavailable, match="refuses"):
            await store.call(f"issuer_{function}_hold", keys, (*before, amount, f"-{amount}", *after))

    assert not await store.command("EXISTS", f"{place}:t")


def tagged(pan: str) -> str:
    """Where the store keeps what belongs to an account."""
    return f"issuer:{{{hmac.digest(bytes.fromhex(KEY), pan.encode(), 'sha256').hex()[:32]}}}"


async def test_without_its_store_the_issuer_approves_nothing_and_all_is_well_afterwards():
    with EmbeddedStore.start(None, ["issuer"]) as store:
        async with Bank(store) as bank:
            pan = await bank.open(1_000)
            await bank.authorise(purchase(pan, 100))
            request = purchase(pan, 200)

            store.kill()
            with pytest.raises(Unavailable):
                await bank.authorise(request)
            store.restart()

            assert await bank.stands(pan) == (900, 100, 1)
            assert await bank.authorise(request) == "00"


@pytest.mark.parametrize(
    ("expiry", "answer", "state"),
    [("3011", "00", TokenState.TOKEN_STATE_SUSPENDED), ("3012", "54", TokenState.TOKEN_STATE_UNSPECIFIED)],
)
async def test_an_account_is_verified_by_its_expiry_and_says_how_its_tokens_begin(bank, expiry, answer, state):
    pan = await bank.open(0, status=pb.ACCOUNT_STATUS_LOST, token_state=TokenState.TOKEN_STATE_SUSPENDED)

    verified = await bank.verify(pb.VerifyAccountRequest(pan=pan, pan_expiry=expiry))

    assert (verified.response_code, verified.token_state) == (answer, state)


async def test_an_account_that_is_not_there_is_not_verified_and_not_shown(bank):
    pan = test_card("approved").pan
    assert (await bank.verify(pb.VerifyAccountRequest(pan=pan, pan_expiry="3011"))).response_code == "14"
    assert (await bank.operator.GetAccount(pb.GetAccountRequest(pan=pan))).response_code == "14"


async def test_an_account_is_opened_once(bank):
    pan = await bank.open(1_000)
    await bank.authorise(purchase(pan, 100))
    again = pb.OpenAccountRequest(
        pan=pan, pan_expiry="3011", balance_minor=5, currency=USD, status=pb.ACCOUNT_STATUS_OPEN
    )

    assert (await bank.operator.OpenAccount(again)).response_code == "94"

    assert await bank.stands(pan) == (900, 100, 1)
    shown = await bank.operator.GetAccount(pb.GetAccountRequest(pan=pan))
    assert (shown.currency, shown.status) == (EUR, pb.ACCOUNT_STATUS_OPEN)


@pytest.fixture
def seeded():
    """A store of its own: the other tests rely on test cards being unknown."""
    with EmbeddedStore.start(None, ["issuer"]) as running:
        yield running


async def test_every_test_card_brings_its_outcome_about(seeded):
    async with Bank(seeded, seed_cards=True) as bank:
        for card in TEST_CARDS:
            # Its token is refused in step 4, so that its issuer has nothing against it.
            outcome = "00" if card.token_state == "SUSPENDED" else card.outcome
            amount = Money.parse("1000 JPY" if card.balance.currency.exponent == 0 else "10.00 USD")
            request = purchase(card.pan, amount.minor, currency=card.balance.currency.number, pan_expiry=card.expiry)
            if card.status == "SILENT":
                with pytest.raises(TimedOut):
                    await bank.issuer.Authorise(request, timeout=0.05)
            else:
                assert (card.name, await bank.authorise(request)) == (card.name, outcome)
            verified = await bank.verify(pb.VerifyAccountRequest(pan=card.pan, pan_expiry=card.expiry))
            assert TokenState.Name(verified.token_state) == f"TOKEN_STATE_{card.token_state}"


async def test_test_cards_keep_what_happened_to_them_over_a_restart(seeded):
    card = test_card("approved-eur")
    async with Bank(seeded, seed_cards=True) as bank:
        await bank.authorise(purchase(card.pan, 100))
        before = await bank.stands(card.pan)
    async with Bank(seeded, seed_cards=True) as bank:
        assert await bank.stands(card.pan) == before == (card.balance.minor - 100, 100, 1)


async def test_the_account_key_is_made_once_and_kept_from_others(seeded, tmp_path):
    file = tmp_path / "issuer.key"
    banks = [Bank(seeded, account_key="", keys_file=str(file)) for _ in range(2)]
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [file.name]

    async with banks[0] as bank:
        pan = await bank.open(1_000)
    async with banks[1] as bank:
        assert await bank.stands(pan) == (1_000, 0, 0)


async def test_a_store_that_was_written_with_another_key_is_not_taken_for_an_empty_one(store, bank):
    stranger = Bank(store, account_key="")
    with pytest.raises(Fault, match="another account key") as refused:
        await stranger.service.start()
    await stranger.service.stop()
    assert refused.value.reason == "ACCOUNT_KEY_CHANGED"


async def test_the_store_holds_no_pan_and_no_token_in_any_encoding(store, bank):
    pan = await bank.open(1_000)
    request = purchase(pan)
    await bank.authorise(request)
    await bank.reverse(request)
    await bank.reverse(purchase(pan))
    await bank.verify(pb.VerifyAccountRequest(pan=pan, pan_expiry="3011"))

    dump = await dumped(store)

    assert b":transaction:" in dump
    assert not [needle for number in (pan, TOKEN) for needle in spellings(number) if needle in dump]


async def dumped(store: EmbeddedStore) -> bytes:
    """Every key and value of the store, one after the other."""
    admin = Store(store.admin_url, "", owner="admin")
    parts, cursor = [], b"0"
    while True:
        cursor, keys = await admin.command("SCAN", cursor, "COUNT", 1000)
        for key in keys:
            kind = await admin.command("TYPE", key)
            value = await admin.command("GET" if kind == b"string" else "HGETALL", key)
            parts += [key, *((part for item in value.items() for part in item) if isinstance(value, dict) else [value])]
        if cursor == b"0":
            break
    await admin.close()
    return b"\n".join(parts)


def spellings(number: str) -> list[bytes]:
    """How a number might lie in a store."""
    plain = number.encode()
    shifted = [base64.b64encode(b"\0" * shift + plain)[4:20] for shift in range(3)]
    hashed = [hashlib.new(kind, plain).digest() for kind in ("sha1", "sha256", "sha512")]
    hexed = [one.hex().encode()[:32] for one in (plain, *hashed)]
    return [plain, number[:12].encode(), *shifted, *hashed, *hexed, bytes.fromhex(number), number.encode("utf-16-le")]
