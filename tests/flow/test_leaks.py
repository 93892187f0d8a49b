"""Card numbers, tokens, cryptograms and keys are looked for wherever they must not be, after payments of every kind."""

import base64
import hashlib
import json
import os
import sys

import pytest
from canary import found, found_in_memory, shapes, shapes_of_key
from paper_trail import CANARY, PLANTED, STRAY, PaperTrail
from patience import patient

from cardnet.testing import LocalNetwork
from cardnet.v1.merchant_pb2 import CheckoutRequest

EDGE = ("merchant", "acquirer")


async def test_nothing_secret_is_found_where_it_must_not_be(tmp_path):
    settings = patient({name: {"planted": PLANTED} for name in EDGE})  # a setting that no service asks for
    async with LocalNetwork(data_dir=tmp_path, settings=settings) as network:
        trail = PaperTrail(network)
        await trail.pay_in_every_way()
        await trail.make_mistakes()
        edge = {name: network.processes[name].pid for name in EDGE} if sys.platform == "linux" else {}
        issuers = {"account_key": (tmp_path / "issuer.keys").read_text().strip()}
        keys = _keys(json.loads((tmp_path / "tsp.keys").read_text())) | _keys(issuers)
        within = {name: found_in_memory(pid, shapes(CANARY)) for name, pid in edge.items()}
        seen_within = {name: found_in_memory(pid, {"planted": PLANTED.encode()}) for name, pid in edge.items()}
        await trail.break_things()
        with network.processes["merchant"].log.open("a") as log:
            print(PLANTED, file=log)
        contents = await trail.contents(tmp_path)

    # The search sees: each place has in it what was put there, and what must be there.
    assert seen_within == {name: {"planted"} for name in edge}
    for place in ("logs", "spans", "traces", "store", "store's files"):
        assert "plain" in found(contents[place], shapes(PLANTED)), place
    assert b"not acknowledged" in contents["logs"]
    assert b"INVALID_FIELD" in contents["faults"] and b"UNKNOWN_FIELD" in contents["faults"]
    assert CANARY[-4:].encode() in contents["traces"]

    # Card numbers are nowhere: in no shape, not even without their last four digits.
    nowhere = {place: set() for place in contents}
    assert {place: found(content, shapes(CANARY)) for place, content in contents.items()} == nowhere
    assert {place: found(content, shapes(STRAY)) for place, content in contents.items()} == nowhere
    assert within == {name: set() for name in edge}

    # Keys are nowhere, cryptograms nowhere; the shop's store alone knows the token.
    cryptogram = shapes_of_key(base64.b64decode(trail.cryptogram))
    assert {place: found(content, keys | cryptogram) for place, content in contents.items()} == nowhere
    told = {place: found(contents[place], shapes(trail.token)) for place in ("logs", "spans", "traces", "faults")}
    assert told == {"logs": set(), "spans": set(), "traces": set(), "faults": set()}
    assert trail.token.encode() in contents["store"]


def _keys(file):
    """Each key in a keys file, in all its shapes, by its name and shape."""
    needles = {}
    for name, text in file.items():
        if name == "card_key":
            lines = [line for line in text.splitlines() if not line.startswith("-")]
            needles |= {f"{name}, line {number}": line.encode() for number, line in enumerate(lines) if len(line) > 40}
        elif len(text) >= 32:
            needles |= {f"{name}, {shape}": needle for shape, needle in shapes_of_key(bytes.fromhex(text)).items()}
    assert needles
    return needles


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
