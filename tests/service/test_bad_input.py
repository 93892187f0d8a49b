"""Bad input is refused at every border: field and rule are named, the value is not, and nothing stays behind."""

from typing import Any

import pytest
import pytest_asyncio
from attack import METHODS, Method, inside, over_the_wire, stored
from bad_input import BAD, GIVEN, PAN, good, leave_out, places, put
from patience import patient

from cardnet import messages
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHECKOUT = "/cardnet.v1.Merchant/Checkout"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network():
    async with LocalNetwork(in_process=True, fronts=True, settings=patient()) as network:
        yield network


def quoted(value: Any, text: str) -> bool:
    """Whether a text shows a value. Very short ones stand in any text."""
    return len(str(value)) >= 5 and any(form in text for form in (str(value), repr(value)[1:-1], ascii(value)[1:-1]))


def first_place(rule: str) -> tuple[Method, Any]:
    """The field over which a rule is tried: the first that has it, where merchants are nearer than issuers."""
    return next(
        (method, place) for method in METHODS for place in places(method.request.DESCRIPTOR) if place.rule == rule
    )


CELLS = [(rule, value, sentence) for rule, rows in BAD.items() for value, sentence in rows]


@pytest.mark.parametrize(
    ("rule", "value", "sentence"), CELLS, ids=[f"{rule}-{ascii(value)[:24]}" for rule, value, _ in CELLS]
)
async def test_a_value_that_breaks_its_rule_is_refused_over_the_wire(network, caplog, rule, value, sentence):
    method, place = first_place(rule)
    request = good(method.request)
    put(request, place, value)
    before = await stored(network)

    outcome = await over_the_wire(network, method.path, request.SerializeToString())

    assert (outcome.code, outcome.violations) == ("INVALID_ARGUMENT", ((place.path, sentence),))
    assert outcome.reason == "INVALID_FIELD"
    assert not quoted(value, outcome.shown)
    assert not quoted(value, caplog.text)
    assert await stored(network) == before


async def test_what_is_stored_would_be_seen(network):
    before = await stored(network)
    await network.checkout(await network.save_card("approved"), "1.00 USD")
    assert await stored(network) != before


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.path)
async def test_every_field_of_every_request_is_held_to_its_rule(network, method):
    assert messages.check(good(method.request)) is None
    for place in places(method.request.DESCRIPTOR):
        for value, sentence in BAD.get(place.rule, ()):
            request = good(method.request)
            put(request, place, value)
            outcome = await inside(network, method.path, request.SerializeToString())
            assert (outcome.code, outcome.violations) == ("INVALID_ARGUMENT", ((place.path, sentence),)), ascii(value)
            assert not quoted(value, outcome.shown)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.path)
async def test_every_field_that_must_be_there_is_missed(network, method):
    for place in places(method.request.DESCRIPTOR):
        request = good(method.request)
        leave_out(request, place)
        if place.required:
            outcome = await inside(network, method.path, request.SerializeToString())
            assert (outcome.code, outcome.violations) == ("INVALID_ARGUMENT", ((place.path, GIVEN),))
        else:
            assert messages.check(request) is None


async def test_every_rule_of_a_request_has_its_bad_values():
    used = {place.rule for method in METHODS for place in places(method.request.DESCRIPTOR)}
    assert used - {"MESSAGE", "FLAG"} == set(BAD)


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.path)
async def test_a_field_that_nobody_knows_is_refused_however_deep_it_stands(network, method):
    unknown = b"\xc2\x3e" + bytes([len(PAN)]) + PAN.encode()  # field 1000, a string
    request = good(method.request)
    spoilt = [request.SerializeToString() + unknown, unknown + request.SerializeToString()]
    for place in places(method.request.DESCRIPTOR):
        if place.rule == "MESSAGE":
            inner = getattr(request, place.path).SerializeToString() + unknown
            tag = bytes([place.field.number << 3 | 2])
            spoilt.append(request.SerializeToString() + tag + varint(len(inner)) + inner)
    for data in spoilt:
        outcome = await inside(network, method.path, data)
        assert (outcome.code, outcome.reason) == ("INVALID_ARGUMENT", "UNKNOWN_FIELD")
        assert PAN not in outcome.shown


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.path)
async def test_bytes_that_are_no_message_are_refused(network, caplog, method):
    for data, reason in UNREADABLE:
        outcome = await over_the_wire(network, method.path, data)
        assert (outcome.code, outcome.reason) == ("INVALID_ARGUMENT", reason), data
        assert PAN not in outcome.shown
    assert "Traceback" not in caplog.text
    assert PAN not in caplog.text


_TEXT = PAN.encode()
UNREADABLE = [
    (b"\xff", "UNREADABLE_MESSAGE"),
    (b"\x00" * 8, "UNREADABLE_MESSAGE"),
    (b"\x0a\x7f" + _TEXT, "UNREADABLE_MESSAGE"),  # shorter than it says
    (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "UNREADABLE_MESSAGE"),  # a length beyond all lengths
    (b"\xc2\x3e\x80", "UNREADABLE_MESSAGE"),  # a length cut off
    (b"\xc3\x3e" * 200, "UNREADABLE_MESSAGE"),  # groups within groups, never closed
    (b"\xc4\x3e", "UNREADABLE_MESSAGE"),  # the end of a group that never began
    (b"\xc7\x3e", "UNREADABLE_MESSAGE"),  # wire type 7
    (b"\xc0\x3e" + b"\xff" * 10 + b"\x01", "UNREADABLE_MESSAGE"),  # a varint of eleven bytes
    (b"\xc2\x3e\x10" + _TEXT, "UNKNOWN_FIELD"),
    (b"\xc0\x3e\x01", "UNKNOWN_FIELD"),
]


@pytest.mark.parametrize(
    ("path", "data", "reason"),
    [
        (CHECKOUT, b"\x08\x01", "UNKNOWN_FIELD"),  # idempotency_key as a number
        (CHECKOUT, b"\x1a\x02\x01\x02", "UNKNOWN_FIELD"),  # amount_minor as bytes
        (CHECKOUT, b"\x19" + b"\x01" * 8, "UNKNOWN_FIELD"),  # amount_minor as a double
        (CHECKOUT, b"\x28\x01", "UNKNOWN_FIELD"),  # token_data as a number
        (CHECKOUT, b"\x0a\x02\xc3\x28", "UNREADABLE_MESSAGE"),  # not UTF-8
        (CHECKOUT, b"\x0a\x03\xed\xa0\x80", "UNREADABLE_MESSAGE"),  # a lone surrogate
        (CHECKOUT, b"\x0a\x02\xc0\xaf", "UNREADABLE_MESSAGE"),  # "/" in too many bytes
        (CHECKOUT, b"\x2a\x04\x0a\x02\xc3\x28", "UNREADABLE_MESSAGE"),  # not UTF-8, further in
    ],
)
async def test_another_wire_type_or_no_utf8_is_refused(network, path, data, reason):
    outcome = await over_the_wire(network, path, data)
    assert (outcome.code, outcome.reason) == ("INVALID_ARGUMENT", reason)
