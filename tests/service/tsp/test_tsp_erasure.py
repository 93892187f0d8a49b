"""Crypto-erasure: a copy of a record that was made before its token was deleted stays shut, keys or no keys."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
import pytest_asyncio
from patience import STORE_TIMEOUT_S
from tsp_provider import ON_FILE, Provider, keys_of, use

from cardnet.card import Pan, PaymentToken
from cardnet.embedded_store import EmbeddedStore
from cardnet.errors import Unavailable
from cardnet.store import Store
from cardnet.v1.token_pb2 import TOKEN_STATE_DELETED
from services.tsp.sealing import Row, unseal

pytestmark = pytest.mark.asyncio(loop_scope="module")

SALT = 32


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def thief(store: EmbeddedStore, shared: Provider) -> AsyncIterator[Store]:
    """The store in the hands of one who may read all of it."""
    opened = Store(store.admin_url, owner="test", timeout_s=STORE_TIMEOUT_S)
    yield opened
    await opened.close()


async def row_of(thief: Store, token: Any) -> Row:
    fields = await thief.command("HGETALL", f"tsp:{{{token.token_reference_id}}}:record")
    return Row(*(fields[name.encode()] for name in Row._fields))


async def everything(thief: Store) -> set[bytes]:
    """Every value in the store, and every name."""
    reading = {b"string": ("GET",), b"hash": ("HGETALL",), b"set": ("SMEMBERS",), b"list": ("LRANGE", 0, -1)}
    found: set[bytes] = set()
    for key in await keys_of(thief):
        kind = await thief.command("TYPE", key)
        if kind == b"none":
            continue  # what was to be told has been told meanwhile
        how, *rest = reading[kind]
        value = await thief.command(how, key, *rest)
        found.add(key)
        found |= {value} if isinstance(value, bytes) else set(value)
        found |= set(value.values()) if isinstance(value, dict) else set()
    return found


def salts_in(values: Iterable[bytes]) -> set[bytes]:
    """All that might be a salt: whole values, and every stretch of them that is as long as one."""
    whole = set(values)
    return whole | {value[at : at + SALT] for value in whole for at in range(len(value) - SALT + 1)} | {b""}


def opened(tsp: Provider, token: Any, row: Row) -> Pan | None:
    return unseal(tsp.behind._keys, token.token_reference_id, row).pan


@pytest.mark.parametrize("caller", ["merchant", "issuer", "operator"])
async def test_a_copy_of_a_deleted_tokens_record_stays_shut(shared: Provider, thief: Store, caller: str) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(ON_FILE, pan)
    first = await row_of(thief, token)
    await shared.act("issuer", "Suspend", token)
    await shared.act("issuer", "Resume", token)
    copies = [first, await row_of(thief, token)]
    # With the salt, the keys open it: what follows would notice if it could be found.
    assert [opened(shared, token, copy) for copy in copies] == [Pan(pan)] * 2
    assert {copy.salt for copy in copies} <= salts_in(await everything(thief))

    assert (await shared.act(caller, "Unlink", token)).response_code == "00"

    remains = salts_in(await everything(thief))
    for copy in copies:
        assert copy.salt not in remains
        for salt in remains:
            with pytest.raises(Unavailable):
                opened(shared, token, copy._replace(salt=salt))


async def test_the_record_that_is_left_holds_no_card(shared: Provider, thief: Store) -> None:
    token = await shared.new_token()
    before = await row_of(thief, token)
    await shared.act("merchant", "Unlink", token)

    after = await row_of(thief, token)
    entry = unseal(shared.behind._keys, token.token_reference_id, after)

    assert (entry.pan, entry.pan_expiry) == (None, None)
    assert entry.token == PaymentToken(token.payment_token)
    assert (await shared.shown(token)).state == TOKEN_STATE_DELETED
    assert len(after.sealed) == len(before.sealed)  # nor does its length tell
    assert len({before.salt, after.salt}) == 2


async def test_what_the_deleted_record_holds_now_does_not_open_the_copy(shared: Provider, thief: Store) -> None:
    token = await shared.new_token()
    copy = await row_of(thief, token)
    await shared.act("merchant", "Unlink", token)
    after = await row_of(thief, token)

    for field in Row._fields[:-1]:
        with pytest.raises(Unavailable):
            opened(shared, token, copy._replace(**{"salt": after.salt, field: getattr(after, field)}))


async def test_a_card_that_was_replaced_is_erased_with_its_token_too(shared: Provider, thief: Store) -> None:
    pan = shared.new_pan()
    token = await shared.new_token(ON_FILE, pan)
    copy = await row_of(thief, token)
    await shared.replace_pan(pan, shared.new_pan())
    await shared.act("issuer", "Unlink", token)

    for salt in salts_in(await everything(thief)):
        with pytest.raises(Unavailable):
            opened(shared, token, copy._replace(salt=salt))


async def test_no_two_records_share_a_salt(shared: Provider, thief: Store) -> None:
    pan = shared.new_pan()
    tokens = [await shared.new_token(trid, pan) for trid in ("00000000001", "00000000002", "00000000005")]
    await shared.act("merchant", "Unlink", tokens[0])
    tokens.append(await shared.new_token(ON_FILE, pan))

    salts = {(await row_of(thief, token)).salt for token in tokens}

    assert len(salts) == 4
    assert {len(salt) for salt in salts} == {SALT}


async def test_deleting_one_token_leaves_the_cards_others_open(shared: Provider) -> None:
    pan = shared.new_pan()
    one, other = await shared.new_token(ON_FILE, pan), await shared.new_token("00000000005", pan)

    await shared.act("merchant", "Unlink", one)

    assert (await shared.vault.Detokenise(use(one))).response_code == "78"
    assert (await shared.vault.Detokenise(use(other))).pan == pan


async def test_an_erased_record_that_is_put_back_is_not_believed(shared: Provider, thief: Store) -> None:
    token = await shared.new_token()
    copy = await row_of(thief, token)
    await shared.act("merchant", "Unlink", token)
    record = f"tsp:{{{token.token_reference_id}}}:record"
    deleted = await row_of(thief, token)

    parts = [part for field in zip(Row._fields, copy, strict=True) for part in field]
    await thief.command("HSET", record, *parts)  # with its salt, as from a backup
    with pytest.raises(Unavailable):
        await shared.vault.Detokenise(use(token))

    parts = [part for field in zip(Row._fields, deleted, strict=True) for part in field]
    await thief.command("HSET", record, *parts)
    assert (await shared.vault.Detokenise(use(token))).response_code == "78"
