"""Whatever bytes come, an ordinary answer goes out: never UNKNOWN, never INTERNAL, never silence.

The draws are the same every time (`derandomize`), so that a failure here is one that came with a change.
"""

import pytest
import pytest_asyncio
from attack import BY_PATH, LONG_S, METHODS, inside, over_the_wire
from bad_input import BAD, PAN, REAL_LOOKING, good, leave_out, places, put
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from patience import patient

from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDINARY = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "FAILED_PRECONDITION"}
PATHS = [method.path for method in METHODS]
CHECKOUT = "/cardnet.v1.Merchant/Checkout"
FOLLOW_TOKENS, FOLLOW_TRACES = "/cardnet.v1.TokenNotifications/FollowTokens", "/cardnet.v1.Traces/FollowTraces"
WAITS = {"/cardnet.v1.Traces/GetTrace", "/cardnet.v1.Traces/GetSpans", FOLLOW_TOKENS, FOLLOW_TRACES}
"""Who asks for a trace that is not there yet, or for what becomes of tokens or payments, waits as long as they have
time."""
LEFT_OUT = {
    CHECKOUT: {
        "card_on_file_id",
        "original_rrn",
        "token_data.original_rrn",
        "browser_card",
        "tokenized_card",
        "save_for_customer_id",
    },
    "/cardnet.v1.Acquirer/SubmitPayment": {"token_data.original_rrn"},
    "/cardnet.v1.TokenService/RequestToken": {"token"},
    "/cardnet.v1.TokenService/RequestCryptogram": {"token_reference_id"},
    "/cardnet.cde.v1.TokenVault/FindTransaction": {"pan"},
    "/cardnet.cde.v1.TokenOperator/ListTokens": {"page"},
    "/cardnet.cde.v1.TokenOperator/RegisterRequestor": {"requestor.token_requestor_id", "requestor.webhook_url"},
} | {path: {"token.token_reference_id"} for path in BY_PATH if path.startswith("/cardnet.v1.TokenLifecycle/")}
"""What a message may not have beside its other fields: of some, there may be one alone."""
INSTEAD = {
    "/cardnet.v1.TokenService/ProvideTokenizedCard": {"token_requestor_id": "00000000006"},
    "/cardnet.cde.v1.PanLifecycle/ReplacePan": {"new_pan": "9999000000000517"},
    "/cardnet.v1.TokenLifecycle/UpdateTokenAttributes": {"token_assurance_level": "01"},
}
"""What has to be another value than its kind has elsewhere."""

always_the_same = settings(
    max_examples=20, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network():
    async with LocalNetwork(in_process=True, fronts=True, settings=patient()) as network:
        yield network


def patience_s(path: str) -> float:
    return 0.25 if path in WAITS else LONG_S


def ordinary(path: str) -> set[str]:
    """What may come back."""
    return ORDINARY | {"DEADLINE_EXCEEDED"} if path in WAITS else ORDINARY


def order(path: str) -> bytes:
    """A request with nothing wrong, which gets as far as the servicer and beyond."""
    method = BY_PATH[path]
    request = good(method.request)
    for place in places(method.request.DESCRIPTOR):
        if place.path in LEFT_OUT.get(path, ()):
            leave_out(request, place)
    for name, value in INSTEAD.get(path, {}).items():
        setattr(request, name, value)
    return request.SerializeToString()


@st.composite
def mutations(draw: st.DrawFn, original: bytes) -> bytes:
    """A message with a few bytes changed, cut out, put in, or said twice."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(len(data), at + 8)))
        match draw(st.sampled_from(("change", "cut", "insert", "twice"))):
            case "change":
                data[at:end] = draw(st.binary(min_size=end - at, max_size=end - at))
            case "cut":
                del data[at:end]
            case "insert":
                data[at:at] = draw(st.binary(max_size=8))
            case "twice":
                data[at:at] = data[at:end]
    return bytes(data)


@pytest.mark.parametrize("path", PATHS)
@always_the_same
@given(data=st.binary(max_size=200))
async def test_any_bytes_get_an_ordinary_answer(network, path, data):
    assert (await inside(network, path, data, timeout_s=patience_s(path))).code in ordinary(path)


@pytest.mark.parametrize("path", PATHS)
@always_the_same
@given(draw=st.data())
async def test_a_message_that_was_tampered_with_gets_an_ordinary_answer(network, path, draw):
    data = draw.draw(mutations(order(path)))
    outcome = await inside(network, path, data, timeout_s=patience_s(path))
    assert outcome.code in ordinary(path), outcome.shown
    if outcome.code != "OK":
        assert PAN not in outcome.shown


ANYTHING = {
    "string": st.text(max_size=120)
    | st.text(alphabet="0123456789", max_size=20)
    | st.sampled_from([value for rows in BAD.values() for value, _ in rows if isinstance(value, str)]),
    "int64": st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2) | st.just(10**12 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1) | st.integers(-2, 2),
    "bytes": st.binary(max_size=120),
    "bool": st.booleans(),
}
"""Values by the type that the protos give a field: those of an enumeration are numbers of any kind."""

TYPES = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_BOOL: "bool",
}


@pytest.mark.parametrize("path", PATHS)
@always_the_same
@given(draw=st.data())
async def test_a_message_with_anything_in_a_field_gets_an_ordinary_answer(network, path, draw):
    method = BY_PATH[path]
    request = method.request.FromString(order(path))
    fields = [place for place in places(method.request.DESCRIPTOR) if place.rule != "MESSAGE"]
    if not fields:
        return
    place = draw.draw(st.sampled_from(fields))
    value = draw.draw(ANYTHING[TYPES.get(place.field.type, "int32")])
    put(request, place, value)
    outcome = await inside(network, path, request.SerializeToString(), timeout_s=patience_s(path))
    assert outcome.code in ordinary(path), outcome.shown
    if outcome.violations and len(str(value)) > 8:
        assert str(value) not in outcome.shown


@pytest.mark.parametrize("path", PATHS)
@settings(always_the_same, max_examples=4)
@given(draw=st.data())
async def test_over_the_wire_it_is_the_same(network, path, draw):
    data = draw.draw(st.binary(max_size=200) | mutations(order(path)))
    outcome = await over_the_wire(network, path, data, timeout_s=patience_s(path))
    assert outcome.code in ordinary(path), outcome.shown
    assert REAL_LOOKING not in outcome.shown


@pytest.mark.parametrize("path", PATHS)
async def test_the_message_that_is_tampered_with_is_a_good_one(network, path):
    outcome = await inside(network, path, order(path), timeout_s=patience_s(path))
    # An earlier test may have used the reference up; made-up JWEs do not open; nothing is of a made-up name.
    made_up = {
        "/cardnet.v1.Merchant/SaveCard",
        "/cardnet.v1.Merchant/ConfirmCard",
        "/cardnet.v1.TokenService/RequestToken",
    }
    if path not in WAITS | made_up:
        assert outcome.code in {"OK", "FAILED_PRECONDITION"}, outcome.shown


async def test_after_all_that_payments_are_made_as_before(network):
    payment = await network.checkout(await network.save_card("approved-eur"), "12.40 EUR")
    assert payment.approved and payment.trace.numbers() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
