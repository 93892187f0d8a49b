"""A card number that others' JSON hides is masked wherever in a span it stands; what hides none is left as it is."""

import json

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData
from payment_spans import Gathered

from cardnet.traces.carried import tell_strangers
from cardnet.traces.collector import Collector

PAN = "4111111111111111"
ESCAPED = json.dumps({"card": PAN}).replace(PAN, "".join(f"\\u00{ord(digit):x}" for digit in PAN))
TWICE = json.dumps({"body": ESCAPED})
EXPONENT = '{"card": 4.111111111111111e15}'


def export_of(span: Span) -> TracesData:
    """Somebody's span, in a frame of which all members are there."""
    span.trace_id, span.span_id = b"1" * 16, b"2" * 8
    data = TracesData()
    resource = data.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "somebody"
    scope = resource.scope_spans.add()
    scope.scope.name = "somebody's"
    scope.spans.append(span)
    return data


def put(data: TracesData, place: str, text: str) -> None:
    """Put a text into one of the places where a span may have any."""
    [resource] = data.resource_spans
    [scope] = resource.scope_spans
    [span] = scope.spans
    value = AnyValue(string_value=text)
    if place == "resource":
        resource.resource.attributes.add(key="command", value=value)
    elif place == "scope":
        scope.scope.attributes.add(key="any", value=value)
    elif place == "event":
        span.events.add(name="request").attributes.add(key="body", value=value)
    elif place == "status":
        span.status.CopyFrom(Status(message=text))
    elif place == "bytes":
        span.attributes.add(key="http.request.body").value.bytes_value = text.encode()
    elif place == "within":
        inner = AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="body", value=value)]))
        span.attributes.add(key="http").value.array_value.CopyFrom(ArrayValue(values=[inner]))
    else:
        span.attributes.add(key="http.request.body", value=value)


PLACES = ["attribute", "bytes", "event", "resource", "scope", "status", "within"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", [ESCAPED, TWICE, EXPONENT], ids=["escaped", "JSON within JSON", "exponent"])
async def test_a_card_number_is_masked_wherever_it_is_hidden(place: str, text: str) -> None:
    onward, data = Gathered(), export_of(Span(name="POST /pay"))
    collector = Collector([onward])  # type: ignore[list-item]
    put(data, place, text)
    await collector.export(data.SerializeToString(), ours=False)
    await collector._outboxes[0].drained()
    kept = collector.archive.spans((b"1" * 16).hex()).SerializeToString()
    for shown in (kept, onward.data[0]):
        assert "••••1111".encode() in shown
        assert PAN.encode() not in shown and b"\\u00" not in shown and b"4.1111" not in shown


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "text",
    ['{"a": "\\u0034\\u0031"}', '{"at": 1.7634567890127e12}', "\\" * 100_000, r"C:\u0020\n"],
    ids=["few digits", "a time", "backslashes", "a path"],
)
def test_what_hides_no_card_number_is_left_as_it_came(place: str, text: str) -> None:
    data = export_of(Span(name="POST /pay"))
    put(data, place, text)
    before = TracesData()
    before.CopyFrom(data)
    tell_strangers(data)
    assert data == before


def test_a_card_number_before_escaped_digits_is_masked_although_they_make_it_longer() -> None:
    data = export_of(Span(name="POST /pay"))
    put(data, "attribute", f"{PAN}\\u0030")
    tell_strangers(data)
    assert PAN.encode() not in data.SerializeToString()
