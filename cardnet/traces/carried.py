"""What a span carries of its call's messages: cardnet's own as bytes, which are made text for whoever reads the trace.

Anybody may have sent them, so nothing in them is believed to be as cardnet would write it.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.symbol_database import Default as SymbolDatabase
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from cardnet import messages
from cardnet.cde.v1 import issuer_pb2, token_vault_pb2  # noqa: F401 - see _kind
from cardnet.span import BRIEF, SERVED_BY, TEXT, as_text
from cardnet.traces.masking import mask, masked, may_hold_card_number
from cardnet.v1 import acquirer_pb2, merchant_pb2, network_pb2  # noqa: F401 - see _kind

T = TypeVar("T")
R = TypeVar("R")

ENDS = ("request", "response")
_TEXTS = {f"cardnet.{end}.{TEXT.key}" for end in ENDS}

_ESCAPED = re.compile(r"(?<!\\)\\+u00(3[0-9]|2[0dD])")
"""A digit, or what may stand between two groups of them, as JSON may write it; JSON within JSON, too."""

_FLOATING = re.compile(r"([0-9])\.([0-9]{12,18})[eE]\+?1[2-8]")
"""A whole number of 13 to 19 digits, as writers of JSON write large ones."""

_FLOATING_BYTES = re.compile(_FLOATING.pattern.encode())

LONG_BYTES = 4 * 1024
"""Spans of so many bytes are looked at closely in a thread: payments would wait too long for them."""


class _Kind(NamedTuple):
    """A type of message, and the ISO 8583 field that carries each field of it."""

    message: type[Message] | None
    iso8583: dict[str, int]


def fields_of(span: Span, end: str) -> dict[str, str]:
    """The fields of one end's message, by name; none if the span does not tell them as cardnet does."""
    for attribute in span.attributes:
        if attribute.key == f"cardnet.{end}.{BRIEF.key}":
            return _read(span.name, end, attribute.value.bytes_value)
        if attribute.key == f"cardnet.{end}.{TEXT.key}":
            return _parsed(attribute.value.string_value)
    return {}


def iso8583_of(span: Span, end: str) -> dict[str, int]:
    """The ISO 8583 field that carries each field of one end's message."""
    return _kind(span.name[:200], end).iso8583


def tell(span: Span) -> None:
    """Put text in the place of messages, as everybody reads it."""
    for attribute in span.attributes:
        for end in ENDS:
            if attribute.key == f"cardnet.{end}.{BRIEF.key}":
                attribute.key = f"cardnet.{end}.{TEXT.key}"
                attribute.value.string_value = as_text(_read(span.name, end, attribute.value.bytes_value))


def tell_all(data: TracesData) -> None:
    """As `tell`, of all the spans."""
    for span in _spans(data):
        tell(span)


def tell_strangers(data: TracesData) -> None:
    """As `tell_all`, of what others sent: no card number is left in it, also where JSON hides the digits."""
    for resource in data.resource_spans:
        _clean(resource.resource)
        for scope in resource.scope_spans:
            _clean(scope.scope)
            for span in scope.spans:
                tell(span)
                _search(span)
                _clean(span)


def told(data: TracesData) -> bytes:
    """Spans as any receiver reads them: text, and no card number. Changes them."""
    tell_all(data)
    written = data.SerializeToString()
    if not may_hold_card_number(written):
        return written
    for span in _spans(data):  # the archive may not have looked at each of them
        _masked(span)
    mask(data)
    return data.SerializeToString()


async def masked_bytes(span: Span) -> bytes:
    """A span as bytes; where a card number may be in it, as text and masked."""
    data = span.SerializeToString()
    if not may_hold_card_number(data):
        return data
    return await beside(data, _masked, span)


async def beside(data: bytes, work: Callable[[T], R], on: T) -> R:
    """Do some work that takes the longer, the longer the data are: where they are long, in a thread."""
    if len(data) > LONG_BYTES:
        return await asyncio.to_thread(work, on)  # payments may run on this loop
    return work(on)


def _masked(span: Span) -> bytes:
    # Two fields may look like one number where they meet; and masking within a message would leave none.
    tell(span)
    data = span.SerializeToString()
    if not may_hold_card_number(data):
        return data
    _search(span)
    mask(span)
    return span.SerializeToString()


def _clean(message: Message) -> None:
    data = message.SerializeToString()
    if b"\\u00" in data or _FLOATING_BYTES.search(data):
        mask(message, _unhidden)
    elif may_hold_card_number(data):
        mask(message)


def _spans(data: TracesData) -> Iterator[Span]:
    for resource in data.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def _search(span: Span) -> None:
    """Mask the card numbers in its fields: JSON can write digits so that the text hides them.

    In the fields as they are read; and in the text, which may have others' digits in it, or be no such JSON at all.
    """
    for attribute in span.attributes:
        if attribute.key in _TEXTS:
            text = attribute.value.string_value
            fields = _parsed(text)
            safe = {_unhidden(name): _unhidden(value) for name, value in fields.items()}
            safe_text = _unhidden(text) if safe == fields else json.dumps(safe, ensure_ascii=False)
            if safe_text != text:
                attribute.value.string_value = safe_text


def _unhidden(text: str) -> str:
    """A text with its card numbers masked, however JSON would write their digits; as it is where there are none."""
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    safe = masked(_FLOATING.sub(_whole, plain))
    return masked(text) if safe == plain else safe


def _whole(found: re.Match[str]) -> str:
    safe = masked(digits := found[1] + found[2])
    return found[0] if safe == digits else safe


def _read(name: str, end: str, data: bytes) -> dict[str, str]:
    kind = _kind(name[:200], end).message if len(data) <= messages.MAX_BYTES else None
    try:
        fields = messages.show(kind.FromString(data)) if kind else {}
    except DecodeError:
        return {}
    # Of all that is in a message, `may_hold_card_number` does not see its whole numbers.
    return {name: masked(value) if _is_long_number(value) else value for name, value in fields.items()}


def _is_long_number(text: str) -> bool:
    return len(text) > 12 and text.lstrip("-").isdigit()


def _parsed(text: str) -> dict[str, str]:
    try:
        fields = json.loads(text)
        return {_sound(name): _sound(str(value)) for name, value in fields.items()} if isinstance(fields, dict) else {}
    except (ValueError, RecursionError):
        return {}


def _sound(text: str) -> str:
    """The text without half characters, which JSON may bring and nothing can write."""
    return text if text.isascii() else text.encode(errors="replace").decode()


@lru_cache(maxsize=256)  # looking up costs more than all else that reading a span does
def _kind(name: str, end: str) -> _Kind:
    # Only messages whose generated code was imported are found: hence the imports above.
    service, _, method = name.partition("/")
    if service not in SERVED_BY:  # the pool has others' messages too, and those have no rules
        return _NO_KIND
    try:
        found: Any = SymbolDatabase().pool.FindMethodByName(f"{service}.{method}")
    except KeyError:
        return _NO_KIND
    kind: Descriptor = found.input_type if end == "request" else found.output_type
    return _Kind(GetMessageClass(kind), messages.iso8583_fields(kind))


_NO_KIND = _Kind(None, {})
