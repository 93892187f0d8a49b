"""The set of keys over a real store: one keyring whoever starts, sealed until it is opened, and speedy in use."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from patience import AMPLE_S, STORE_TIMEOUT_S
from tsp_provider import START

from cardnet.card import Pan, PaymentToken
from cardnet.config import SettingMissing
from cardnet.embedded_store import EmbeddedStore
from cardnet.encrypted_card import decrypt, encrypt
from cardnet.env import FrozenClock
from cardnet.errors import Unavailable
from cardnet.store import Store
from services.tsp import instances as presence
from services.tsp import keyring
from services.tsp.instances import Instances
from services.tsp.keyring import PLACE, KeyState, Purpose, VaultShut, WrongKek, new_secret
from services.tsp.keys import KeySet

KEK, OTHER_KEK = bytes(range(32)), bytes(range(1, 33))
PAN, TOKEN = Pan("9999000000000012"), PaymentToken("9999400000000014")


@pytest.fixture
async def behind(store: EmbeddedStore, admin: Store) -> AsyncIterator[Store]:  # noqa: ARG001 - admin empties it
    living = Store(store.url("tsp"), keyring.LIBRARY, owner="tsp", timeout_s=STORE_TIMEOUT_S)
    yield living
    await living.close()


@pytest.fixture
async def keys(behind: Store) -> KeySet:
    keys = key_set(behind)
    await keys.open(KEK)
    return keys


def key_set(behind: Store, cryptogram_key: str = "") -> KeySet:
    return KeySet(behind, FrozenClock(START), cryptogram_key)


async def test_those_who_start_together_end_up_with_the_same_keys(behind: Store) -> None:
    sets = [key_set(behind) for _ in range(8)]
    await asyncio.gather(*(keys.open(KEK) for keys in sets))
    card_keys = await asyncio.gather(*(keys.card_key() for keys in sets))
    assert len({(keys.names_of_pan(PAN), keys.names_of_token(TOKEN), keys.fingerprints(b"")) for keys in sets}) == 1
    assert len({key.id for key in card_keys}) == 1
    for keys in sets:
        await keys.refresh()
    assert len({keys.keyring.revision for keys in sets}) == 1


async def test_while_it_is_sealed_nothing_can_be_used(behind: Store) -> None:
    keys = key_set(behind)
    assert keys.sealed
    for use in (
        lambda: keys.names_of_pan(PAN),
        lambda: keys.names_of_token(TOKEN),
        lambda: keys.new_names_of_pan(PAN),
        lambda: keys.seal(b"", b""),
        lambda: keys.unseal(1, b"", b""),
        lambda: keys.seal_history(b"", b""),
        lambda: keys.unseal_history(1, b"", b""),
        lambda: keys.fingerprints(b""),
        lambda: keys.cryptogram_key,
        lambda: keys.cryptogram_key_of(1),
        lambda: keys.audit_mac(b""),
        lambda: keys.keyring,
    ):
        with pytest.raises(Unavailable, match="cardnet keys unseal") as fault:
            use()
        assert fault.value.reason == "VAULT_SEALED"
    with pytest.raises(Unavailable):
        await keys.card_key()
    await keys.open(KEK)
    assert not keys.sealed
    keys.lock()
    with pytest.raises(Unavailable):
        keys.names_of_pan(PAN)


async def test_another_vaults_key_leaves_it_sealed(behind: Store, keys: KeySet) -> None:
    other = key_set(behind)
    with pytest.raises(WrongKek, match="not this vault's"):
        await other.open(OTHER_KEK)
    assert other.sealed
    await other.open(KEK)
    assert other.names_of_token(TOKEN) == keys.names_of_token(TOKEN)


async def test_a_keyring_that_was_altered_is_not_opened(behind: Store, keys: KeySet, admin: Store) -> None:
    held = await admin.command("GET", PLACE)
    await admin.command("SET", PLACE, held.replace(b'"PRIMARY"', b'"READING"', 1))
    with pytest.raises(VaultShut, match="restore the store"):
        await key_set(behind).open(KEK)
    with pytest.raises(Unavailable) as fault:
        await keys.refresh()
    assert fault.value.reason == "KEYRING_DAMAGED"
    assert keys.names_of_pan(PAN)  # who has the keys goes on


async def test_an_older_keyring_put_back_is_not_taken_over(behind: Store, keys: KeySet, admin: Store) -> None:
    held = await admin.command("GET", PLACE)
    await keys.change(lambda ring: ring.with_prepared(Purpose.DATA, new_secret(Purpose.DATA), START))
    await admin.command("SET", PLACE, held)
    with pytest.raises(Unavailable) as fault:
        await keys.refresh()
    assert fault.value.reason == "KEYRING_DAMAGED"


async def test_keys_that_are_forgotten_while_they_are_changed_do_not_come_back(keys: KeySet) -> None:
    change = keys.change(lambda ring: ring.with_prepared(Purpose.DATA, new_secret(Purpose.DATA), START))
    changing = asyncio.create_task(change)
    await asyncio.sleep(0)  # the store is asked, and has not answered
    keys.lock()
    with pytest.raises(Unavailable, match="vault is sealed"):
        await changing
    assert keys.sealed


async def test_what_is_sealed_is_opened_as_it_was_and_in_no_other_way(keys: KeySet) -> None:
    number, sealed = keys.seal(b"card", b"beside", b"salt")
    assert keys.unseal(number, sealed, b"beside", b"salt") == b"card"
    assert keys.seal(b"card", b"beside", b"salt")[1] != sealed
    flipped = bytes([sealed[0] ^ 1]) + sealed[1:]
    for attempt in (
        (number, sealed, b"other", b"salt"),
        (number, sealed, b"beside", b""),
        (number, flipped, b"beside", b"salt"),
        (number, sealed[:11], b"beside", b"salt"),
        (number, b"", b"beside", b"salt"),
        (number + 1, sealed, b"beside", b"salt"),
    ):
        with pytest.raises(Unavailable) as fault:
            keys.unseal(*attempt)
        assert fault.value.reason == "VAULT_RECORD_DAMAGED"
    number, sealed = keys.seal_history(b"card", b"beside")
    assert keys.unseal_history(number, sealed, b"beside") == b"card"
    for number_, beside in ((number, b"other"), (number + 1, b"beside")):
        with pytest.raises(Unavailable):
            keys.unseal_history(number_, sealed, beside)


async def test_each_purpose_has_a_key_of_its_own(keys: KeySet) -> None:
    secrets = [key.secret for key in keys.keyring.keys if key.secret]
    assert len(set(secrets)) == len(secrets) == 6
    same = PaymentToken("9999400000000014").reveal().encode()
    names = {keys.names_of_token(TOKEN)[0], keys.fingerprints(same)[0], keys.audit_mac(same)[1][:16].hex()}
    assert len(names) == 3


async def test_names_come_from_every_key_the_primary_first(keys: KeySet) -> None:
    (first,) = keys.names_of_token(TOKEN)
    await keys.change(lambda ring: ring.with_prepared(Purpose.TOKEN_INDEX, new_secret(Purpose.TOKEN_INDEX), START))
    assert keys.names_of_token(TOKEN) == keys.new_names_of_token(TOKEN)
    known, fresh = keys.names_of_token(TOKEN)
    assert known == first
    await keys.change(lambda ring: ring.with_promoted(Purpose.TOKEN_INDEX, START))
    assert keys.names_of_token(TOKEN) == (fresh, first)
    assert keys.new_names_of_token(TOKEN) == (fresh,)
    gone = keys.keyring.in_state(Purpose.TOKEN_INDEX, KeyState.READING)
    await keys.change(lambda ring: ring.with_destroyed(gone, START))
    assert keys.names_of_token(TOKEN) == (fresh,)


async def test_a_cryptogram_key_that_an_issuer_shares_is_the_one_key(behind: Store) -> None:
    keys = key_set(behind, "000102030405060708090A0B0C0D0E0F")
    await keys.open(KEK)
    assert keys.cryptogram_key.index == 1
    assert keys.cryptogram_key_of(1) is keys.cryptogram_key
    assert keys.cryptogram_key_of(2) is None
    for text in ("00", "g" * 32, "0" * 33, "0" * 32 + "\n"):
        with pytest.raises(SettingMissing, match="32 hexadecimal digits"):
            key_set(behind, text)


async def test_cards_are_opened_with_the_key_of_their_time(keys: KeySet, behind: Store) -> None:
    card_key = await keys.card_key()
    blob = encrypt(PAN.reveal(), "3011", card_key.id, card_key.public)
    other = key_set(behind)
    await other.open(KEK)
    assert decrypt(blob, (await other.card_key()).private)[0] == PAN


async def test_other_instances_hear_of_a_change_before_it_counts(
    behind: Store, keys: KeySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "GONE_S", 3600.0)
    clock = FrozenClock(START)
    other = key_set(behind)
    await other.open(KEK)
    ours, theirs = Instances(behind, keys, clock), Instances(behind, other, clock)
    await ours.tell()
    await theirs.tell()
    await keys.change(lambda ring: ring.with_prepared(Purpose.DATA, new_secret(Purpose.DATA), START))
    spreading = asyncio.create_task(ours.spread())
    with other.using():
        telling = asyncio.create_task(theirs.tell())
        done, _ = await asyncio.wait({spreading, telling}, timeout=0.3)
        assert not done  # somebody there still uses the keys as they were
    await asyncio.wait_for(asyncio.gather(spreading, telling), AMPLE_S)
    assert other.keyring == keys.keyring
    await keys.change(lambda ring: ring.with_promoted(Purpose.DATA, START))
    await theirs.leave()
    await asyncio.wait_for(ours.spread(), AMPLE_S)


async def test_an_instance_that_died_is_not_waited_for(
    behind: Store, keys: KeySet, admin: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Instances(behind, keys, FrozenClock(START))
    await admin.command("HSET", "tsp:{keyring}:instances", "dead", "0 1000.000")

    async def wait() -> None:
        raise AssertionError("somebody is waited for")

    monkeypatch.setattr(presence, "_look_again", wait)
    await ours.spread()


async def test_rewrapped_keys_open_with_the_new_key_alone(behind: Store, keys: KeySet) -> None:
    name, second = keys.names_of_token(TOKEN), key_set(behind)
    await second.open(KEK)
    await keys.rewrap(OTHER_KEK)
    assert [key.number for key in keys.keyring.of(Purpose.ENCRYPTION)] == [2]
    with pytest.raises(WrongKek):
        await key_set(behind).open(KEK)
    with pytest.raises(Unavailable) as fault:
        await second.refresh()
    assert fault.value.reason == "VAULT_REWRAPPED"  # it does not know the new key, and must be told
    assert second.names_of_token(TOKEN) == name  # the others are what they were
    await second.open(OTHER_KEK)
    assert second.names_of_token(TOKEN) == name
    await keys.rewrap(OTHER_KEK)  # once more does nothing
    assert [key.number for key in keys.keyring.of(Purpose.ENCRYPTION)] == [2]


async def test_keys_never_show_themselves(keys: KeySet) -> None:
    shown = f"{keys!r}{vars(keys)!r}{keys.keyring!r}{keys.cryptogram_key!r}"
    for secret in (KEK, *(key.secret for key in keys.keyring.keys if key.secret)):
        assert repr(secret) not in shown
        assert secret.hex() not in shown
