"""OTLP's JSON: protobuf's own, but that identifiers are hexadecimal and enumerations are numbers."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

_IDENTIFIERS = ("traceId", "spanId", "parentSpanId")


def otlp_json(data: TracesData) -> str:
    """Spans as OTLP's JSON has them."""
    document = MessageToDict(data, use_integers_for_enums=True)
    _change(document, lambda text: base64.b64decode(text).hex())
    return json.dumps(document)


def spans_of(text: bytes) -> TracesData:
    """What `otlp_json` or another sender wrote; names that are not known are left alone. ValueError if it is none."""
    try:
        document = json.loads(text)
        _change(document, lambda digits: base64.b64encode(bytes.fromhex(digits)).decode())
        return ParseDict(document, TracesData(), ignore_unknown_fields=True)
    except (ParseError, RecursionError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError("the text is no ExportTraceServiceRequest in OTLP's JSON") from error


def _change(document: Any, change: Callable[[str], str]) -> None:
    """Write the identifiers another way, where they stand."""
    for span in _spans(document):
        for holder in (span, *span.get("links", ())):
            for name in _IDENTIFIERS:
                if name in holder:
                    holder[name] = change(holder[name])


def _spans(document: Any) -> Iterator[Any]:
    for resource in document.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            yield from scope.get("spans", ())
