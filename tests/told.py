"""Authorisations as a collector might be told of them, without a network that makes them."""

import json
from collections.abc import Iterable

from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

BEGAN_NS = 1_768_467_600_000_000_000


def recorded(numbers: Iterable[int], code: str = "00", merchant: str = "Example Shop", **more: str) -> TracesData:
    """Of each number one authorisation of two steps, with nothing missing. more: further fields of the first."""
    data = TracesData()
    resource = data.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "merchant"
    spans = resource.scope_spans.add().spans
    for number in numbers:
        spans.append(_checkout(number, code, {"merchant_name": merchant, **more}))
    return data


def trace_id(number: int) -> str:
    """What it is called."""
    return number.to_bytes(16).hex()


def asked(number: int) -> TracesData:
    """That the merchant asked the acquirer, and was answered: without `answered`, something is missing."""
    return _submitted(number, "merchant", Span.SPAN_KIND_CLIENT, b"merchant", number.to_bytes(8))


def answered(number: int) -> TracesData:
    """The acquirer's own record of that."""
    return _submitted(number, "acquirer", Span.SPAN_KIND_SERVER, b"acquirer", b"merchant")


def _submitted(number: int, service: str, kind: Span.SpanKind.ValueType, span_id: bytes, parent: bytes) -> TracesData:
    data = recorded([number])
    data.resource_spans[0].resource.attributes[0].value.string_value = service
    span = data.resource_spans[0].scope_spans[0].spans[0]
    span.ClearField("attributes")
    span.name, span.kind = "cardnet.v1.Acquirer/SubmitPayment", kind
    span.span_id, span.parent_span_id = span_id, parent
    return data


def _checkout(number: int, code: str, more: dict[str, str]) -> Span:
    span = Span(
        trace_id=number.to_bytes(16),
        span_id=number.to_bytes(8),
        name="cardnet.v1.Merchant/Checkout",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=BEGAN_NS + number,
        end_time_unix_nano=BEGAN_NS + number + 12_500_000,
    )
    asked = {"payment_token": "••••1234", "amount_minor": "1240", "currency": "840", **more}
    said = {
        "cardnet.request.step": "1",
        "cardnet.request.fields": json.dumps(asked),
        "cardnet.response.step": "9",
        "cardnet.response.fields": json.dumps({"response_code": code} if code else {}),
    }
    for name, value in said.items():
        span.attributes.add(key=name).value.string_value = value
    return span
