"""Card numbers, tokens, cryptograms and keys are looked for wherever they must not be, after payments of every kind."""

import base64
import hashlib
import os
import sys

import pytest
from canary import alone, found, found_in_memory, shapes, shapes_of_key
from paper_trail import ASKED, CANARY, IMPORTED, PLANTED, STRAY, PaperTrail
from patience import patient

from cardnet.testing import LocalNetwork
from cardnet.v1.merchant_pb2 import CheckoutRequest
from services.tsp.keyring import LENGTHS, unwrapped

EDGE = ("merchant", "acquirer")


async def test_nothing_secret_is_found_where_it_must_not_be(tmp_path, monkeypatch):
    session, data, outside = (tmp_path / name for name in ("session", "data", "outside"))
    for folder in (session, data, outside):
        folder.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
    settings = patient({name: {"planted": PLANTED} for name in EDGE})  # a setting that no service asks for
    async with LocalNetwork(data_dir=data, roster=True, console=True, settings=settings) as network:
        trail = PaperTrail(network)
        await trail.pay_in_every_way()
        await trail.ask_a_cardholder()
        await trail.disclose()
        keys = _keys(data)
        await trail.give_commands(outside)
        await trail.make_mistakes()
        await trail.look_at_tokens()
        edge = {name: network.processes[name].pid for name in EDGE} if sys.platform == "linux" else {}
        keys |= _keys(data) | _webhook_secret(outside)
        within = {name: found_in_memory(pid, shapes(CANARY)) for name, pid in edge.items()}
        seen_within = {name: found_in_memory(pid, {"planted": PLANTED.encode()}) for name, pid in edge.items()}
        await trail.break_things()
        with network.processes["merchant"].log.open("a") as log:
            print(PLANTED, file=log)
        posted = b"".join(path.read_bytes() for path in session.rglob("*.json"))
        contents = await trail.contents(data)
    contents |= {"roster": posted, "backup": (outside / "backup").read_bytes()}

    # The search sees: each place has in it what was put there, and what must be there.
    assert seen_within == {name: {"planted"} for name in edge}
    for place in ("logs", "spans", "traces", "otlp", "pages", "store", "files"):
        assert "plain" in found(contents[place], shapes(PLANTED)), place
    assert b"not acknowledged" in contents["logs"]
    assert b"INVALID_FIELD" in contents["faults"] and b"UNKNOWN_FIELD" in contents["faults"]
    for place in ("traces", "pictures", "otlp", "pages", "commands"):
        assert CANARY[-4:].encode() in contents[place], place
    for place in ("commands", "audit", "store", "backup", "pages"):
        assert trail.reference.encode() in contents[place], place
    assert str(data).encode() in contents["roster"]

    # Card numbers are nowhere: in no shape, not even without their last four digits.
    nowhere = {place: set() for place in contents}
    for number in (CANARY, ASKED, IMPORTED, STRAY):
        assert {place: found(content, shapes(number)) for place, content in contents.items()} == nowhere
    assert within == {name: set() for name in edge}

    # Keys are nowhere, cryptograms and passcodes nowhere; the shop's and the acquirer's store alone know the token.
    cryptogram = shapes_of_key(base64.b64decode(trail.cryptogram))
    assert {place: found(content, keys | cryptogram) for place, content in contents.items()} == nowhere
    for passcode in trail.passcodes:
        assert not [place for place, content in contents.items() if alone(content, passcode)]
    told = {place: found(content, shapes(trail.token)) for place, content in contents.items()}
    assert told.pop("store") and told.pop("files")
    assert told == {place: set() for place in told}


def _keys(data):
    """Every key that a network's data are under, in all its shapes, by its purpose and shape."""
    kek = bytes.fromhex((data / "tsp.kek").read_text().strip())
    ring = unwrapped((data / "tsp.audit.keyring").read_bytes(), kek)
    secrets = {"key-encryption key": kek, "account key": bytes.fromhex((data / "issuer.keys").read_text().strip())}
    secrets |= {f"{key.purpose.name} {key.number}": key.secret for key in ring.keys if key.secret}
    assert {name.partition(" ")[0] for name in secrets} >= {purpose.name for purpose in LENGTHS}
    return {
        f"{name} from {at}, {shape}": needle
        for name, secret in secrets.items()
        for at in range(0, len(secret), 48)  # a long one in pieces, as lines break it; 48 bytes are a line of base64
        if len(secret[at : at + 48]) >= 16
        for shape, needle in shapes_of_key(secret[at : at + 48]).items()
    }


def _webhook_secret(outside):
    secret = base64.b64decode((outside / "webhook").read_text().strip().removeprefix("whsec_"))
    assert len(secret) == 32
    return {f"webhook, {shape}": needle for shape, needle in shapes_of_key(secret).items()}


def test_a_number_that_stands_alone_is_told_from_one_within_another():
    assert alone(b'{"passcode": "135790"}', "135790")
    assert alone(b"\x1a\x06135790\x22", "135790")
    assert not alone(b"1357901", "135790") and not alone(b"a135790", "135790")


NUMBER = "9999004271357918"
_MESSAGE = CheckoutRequest(idempotency_key="k", amount_minor=int(NUMBER)).SerializeToString()


@pytest.mark.parametrize(
    ("shape", "written"),
    [
        ("plain", f'{{"pan":"{NUMBER}"}}'.encode()),
        ("spaced", b"card 9999 0042 7135 7918."),
        ("dashed", b"9999-0042-7135-7918"),
        ("UTF-16", NUMBER.encode("utf-16")),
        *[
            (f"base64 at {offset}", base64.b64encode(b"<pan>"[: offset + 3] + NUMBER.encode() + b"</pan>"))
            for offset in range(3)
        ],
        ("hex", NUMBER.encode().hex().encode()),
        ("packed BCD", b"\x99\x99\x00\x42\x71\x35\x79\x18"),
        ("URL-encoded", "".join(f"%{ord(digit):02X}" for digit in NUMBER).encode()),
        ("varint", _MESSAGE),
        ("without its last four", NUMBER.encode()[:12] + b"****"),
        *[
            (f"{name} hex", hashlib.new(name, NUMBER.encode()).hexdigest().encode())
            for name in ("sha1", "sha256", "sha512")
        ],
        *[(f"{name} raw", hashlib.new(name, NUMBER.encode()).digest()) for name in ("sha1", "sha256", "sha512")],
    ],
)
def test_the_search_finds_a_number_in_every_shape(shape, written):
    noise = os.urandom(1000)
    assert shape in found(noise + written + noise, shapes(NUMBER))
    assert not found(noise + noise, shapes(NUMBER))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_search_finds_a_number_in_memory_that_is_in_use():
    held = "".join(reversed(NUMBER)) + "-in-memory"
    assert found_in_memory(os.getpid(), {"held": held.encode(), "absent": os.urandom(32)}) >= {"held"}
