"""The issuer's accounts: opened, verified, seeded, and stored without a PAN."""

import base64
import hashlib

import pytest
from issuer_bank import EUR, TOKEN, USD, Bank, purchase, tagged
from patience import STORE_TIMEOUT_S

from cardnet.cde.v1 import issuer_pb2 as pb
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Fault, TimedOut
from cardnet.money import Money
from cardnet.store import Store
from cardnet.test_cards import TEST_CARDS, TestCard, test_card
from cardnet.v1.token_pb2 import TokenState


@pytest.mark.parametrize(
    ("expiry", "answer", "state"),
    [("3011", "00", TokenState.TOKEN_STATE_SUSPENDED), ("3012", "54", TokenState.TOKEN_STATE_UNSPECIFIED)],
)
async def test_an_account_is_verified_by_its_expiry_and_says_how_its_tokens_begin(bank, expiry, answer, state):
    pan = await bank.open(0, status=pb.ACCOUNT_STATUS_LOST, token_state=TokenState.TOKEN_STATE_SUSPENDED)

    verified = await bank.verify(pb.VerifyAccountRequest(pan=pan, pan_expiry=expiry, token_reference_id="r"))

    assert (verified.response_code, verified.token_state) == (answer, state)


async def test_an_account_of_the_first_version_is_verified_by_itself_alone(bank):
    pan = await bank.open(0, verification=pb.VERIFICATION_DECLINE)
    assert await bank.service.store.command("HDEL", f"{tagged(pan)}:account", "verification") == 1

    verified = await bank.verify(pb.VerifyAccountRequest(pan=pan, pan_expiry="3011", token_reference_id="r"))

    assert verified.response_code == "00"


async def test_an_account_that_is_not_there_is_not_verified_and_not_shown(bank):
    pan = test_card("approved").pan
    request = pb.VerifyAccountRequest(pan=pan, pan_expiry="3011", token_reference_id="r")
    assert (await bank.verify(request)).response_code == "14"
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
            # Where there is no token that could be paid with, its issuer has nothing against it.
            outcome = "00" if card.token_state == "SUSPENDED" or card.verification != "ACCOUNT" else card.outcome
            amount = Money.parse("1000 JPY" if card.balance.currency.exponent == 0 else "10.00 USD")
            request = purchase(card.pan, amount.minor, currency=card.balance.currency.number, pan_expiry=card.expiry)
            if card.status == "SILENT":
                with pytest.raises(TimedOut):
                    await bank.issuer.Authorise(request, timeout=0.05)
            else:
                assert (card.name, await bank.authorise(request)) == (card.name, outcome)
            verified = await bank.verify(
                pb.VerifyAccountRequest(pan=card.pan, pan_expiry=card.expiry, token_reference_id=card.name)
            )
            assert (card.name, verified.response_code) == (card.name, card.saving_outcome)
            assert TokenState.Name(verified.token_state) == f"TOKEN_STATE_{state_of_new_token(card)}"
            if card.successor:
                successor = purchase(card.successor, 100, currency=USD, pan_expiry=card.expiry)
                assert await bank.authorise(successor) == "00"


def state_of_new_token(card: TestCard) -> str:
    if not card.saving_outcome.approved:
        return "UNSPECIFIED"
    return "INACTIVE" if card.verification.startswith("PASSCODE") else card.token_state


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
    await bank.verify(pb.VerifyAccountRequest(pan=pan, pan_expiry="3011", token_reference_id="r"))

    dump = await dumped(store)

    assert b":transaction:" in dump
    assert not [needle for number in (pan, TOKEN) for needle in spellings(number) if needle in dump]


async def dumped(store: EmbeddedStore) -> bytes:
    """Every key and value of the store, one after the other."""
    admin = Store(store.admin_url, "", owner="admin", timeout_s=STORE_TIMEOUT_S)
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
