"""A message's bytes without its secrets, for whoever reads traces.

What takes the secrets out of a type of message is made once, and asked for every step of every payment.
"""

from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from cardnet.messages import Field, plan_of
from cardnet.rules import Shown

Redact = Callable[[Any], bytes]
"""Gives a message's bytes as anybody may read them."""

Hide = Callable[[Any], object]
"""Makes one field of a message such as anybody may read."""

_STARS = "*" * 8
"""What stands in a secret's place."""


class _Secrets(NamedTuple):
    """What is secret in one message, or in one within it: how to come to that, its texts, and what hides the rest.

    A text is secret before its end: as many characters from the right as anybody may read, as a slice has it.
    """

    holder: Callable[[Any], Any] | None
    texts: tuple[tuple[str, int | None], ...]
    others: tuple[Hide, ...]


@cache
def redacting(kind: type[Message]) -> Redact:
    """What redacts messages of a type: who parses the bytes and shows them sees what `messages.show` shows.

    The messages: such as came through `messages.parse` or were made here, so that they have no fields that are unknown.
    """
    described: Any = kind.DESCRIPTOR
    found = tuple(_secrets(described))
    if not found:
        return kind.SerializeToString

    def redacted(message: Message) -> bytes:
        copy = kind()
        copy.CopyFrom(message)  # it may still be on its way
        for holder, texts, others in found:
            within = holder(copy) if holder else copy
            for name, end in texts:
                if value := getattr(within, name):
                    setattr(within, name, (value[:end] and _STARS) + value[end:] if end else _STARS)
            for hide in others:
                hide(within)
        return copy.SerializeToString()

    return redacted


def _secrets(kind: Descriptor, within: str = "") -> Iterator[_Secrets]:
    plan = plan_of(kind)
    texts = [(field.name, -field.clear or None) for field in plan if field.secret and _is_text(kind, field)]
    others = tuple(filter(None, (_hide(kind, field) for field in plan)))
    if texts or others:
        yield _Secrets(attrgetter(within) if within else None, tuple(texts), others)
    for field in plan:
        if field.message and not field.repeated:
            nested = kind.fields_by_name[field.name].message_type
            yield from _secrets(nested, f"{within}.{field.name}".strip("."))


def _is_text(kind: Descriptor, field: Field) -> bool:
    return not field.repeated and kind.fields_by_name[field.name].type == FieldDescriptor.TYPE_STRING


def _hide(kind: Descriptor, field: Field) -> Hide | None:
    """What hides a field that is no single text: of many of a kind the number is shown, of bytes their length."""
    if field.message and field.repeated:
        return lambda message: [one.Clear() for one in getattr(message, field.name)]
    if not field.secret or _is_text(kind, field):
        return None
    if field.repeated:
        return lambda message: _put(getattr(message, field.name), field.shown)
    assert kind.fields_by_name[field.name].type == FieldDescriptor.TYPE_BYTES, (
        f"{field.name}: no way to hide such a field"
    )
    return lambda message: setattr(message, field.name, bytes(len(getattr(message, field.name))))


def _put(values: Any, shown: Shown) -> None:
    values[:] = [shown(value) for value in values]
