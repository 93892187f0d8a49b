"""Messages at a border: held to their fields' rules, and shown with their secrets masked.

The rules are read from the protos' own field options once for each message type and kept as a plan.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from cardnet.errors import InvalidField, Malformed
from cardnet.rules import RULES, Check, Shown
from cardnet.v1 import rule_pb2

M = TypeVar("M", bound=Message)

MAX_BYTES = 16 * 1024
"""The largest request that a service takes."""

MOST_SHOWN = 32
"""Of a field with many values so many are shown. More than any enumeration has, of which a message lists some."""


class _Field(NamedTuple):
    name: str
    check: Check
    shown: Shown
    required: bool
    repeated: bool
    message: bool
    iso8583: int
    secret: bool


Hide = Callable[[Any], object]
"""Makes one field of a message such as anybody may read."""


class _Secrets(NamedTuple):
    """What is secret in one message, or in one within it: how to come to that, its texts, and what hides the rest."""

    holder: Callable[[Any], Any] | None
    texts: tuple[tuple[str, Shown], ...]
    others: tuple[Hide, ...]


def parse(kind: type[M], data: bytes) -> M:
    """Read a message and hold it to its rules. Malformed if it is unreadable, has unknown fields or breaks a rule."""
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise Malformed(f"the bytes are no {kind.DESCRIPTOR.full_name}", "UNREADABLE_MESSAGE") from None
    check(message)
    return message


def check(message: Message) -> None:
    """Hold a message to its rules; InvalidField names the first field that breaks one."""
    # Unknown fields survive being written again, and would carry a PAN through services that must never see one.
    size = message.ByteSize()
    message.DiscardUnknownFields()  # type: ignore[attr-defined]
    if message.ByteSize() != size:
        raise Malformed(f"{message.DESCRIPTOR.full_name} has a field that this version does not know", "UNKNOWN_FIELD")
    _check_fields(message)


def show(message: Message) -> dict[str, str]:
    """The fields that are present, by name and in the protos' order, as text that anybody may read.

    Fields of messages within stand under their own names. The only way in which a message becomes text.
    """
    shown: dict[str, str] = {}
    _show(message, shown)
    return shown


def masked(message: Message) -> bytes:
    """The message as bytes that anybody may read: whoever parses them and shows them sees what `show` shows.

    message: one that came through `parse` or was made here, so that it has no fields that are unknown.
    """
    copy = type(message)()
    copy.CopyFrom(message)
    for holder, texts, others in _secrets(message.DESCRIPTOR):
        within = holder(copy) if holder else copy
        for name, shown in texts:
            if value := getattr(within, name):
                setattr(within, name, shown(value))
        for hide in others:
            hide(within)
    return copy.SerializeToString()


def iso8583_fields(kind: Descriptor) -> dict[str, int]:
    """The ISO 8583 field that carries each field of a message type; those that none carries are left out."""
    fields: dict[str, int] = {}
    for field, plan in zip(kind.fields, _plan(kind), strict=True):
        if plan.message:
            fields |= iso8583_fields(field.message_type)
        elif plan.iso8583:
            fields[plan.name] = plan.iso8583
    return fields


def _check_fields(message: Message) -> None:
    for name, rule, _, required, repeated, nested, _, _ in _plan(message.DESCRIPTOR):
        if nested:
            _check_nested(message, name, repeated, required)
            continue
        value = getattr(message, name)
        if not value:
            broken = "must be given" if required else None
        elif repeated:
            broken = next(filter(None, map(rule, value)), None)
        else:
            broken = rule(value)
        if broken:
            raise InvalidField(name, broken)


def _check_nested(message: Message, name: str, repeated: bool, required: bool) -> None:
    found = _nested(message, name, repeated)
    if required and not found:
        raise InvalidField(name, "must be given")
    try:
        for one in found:
            _check_fields(one)
    except InvalidField as violation:
        raise violation.within(name) from None


def _nested(message: Message, name: str, repeated: bool) -> Sequence[Message]:
    if repeated:
        return getattr(message, name)  # type: ignore[no-any-return]
    return (getattr(message, name),) if message.HasField(name) else ()


def _show(message: Message, into: dict[str, str]) -> None:
    for name, shown, repeated, nested in _shown(message.DESCRIPTOR):
        if nested:
            found = _nested(message, name, repeated)
            if repeated and found:
                into[name] = str(len(found))  # many of a kind would stand under the same names
            elif found:
                _show(found[0], into)
        elif value := getattr(message, name):
            into[name] = ", ".join(map(shown, value[:MOST_SHOWN])) if repeated else shown(value)


@cache
def _plan(kind: Descriptor) -> tuple[_Field, ...]:
    return tuple(_planned(field) for field in kind.fields)


@cache
def _shown(kind: Descriptor) -> tuple[tuple[str, Shown, bool, bool], ...]:
    """What showing needs of the plan, as mere tuples: Python takes them apart several times as fast as named ones."""
    return tuple((field.name, field.shown, field.repeated, field.message) for field in _plan(kind))


def _planned(field: FieldDescriptor) -> _Field:
    option: Any = field.GetOptions().Extensions[rule_pb2.field]  # type: ignore[index]
    rule = RULES[rule_pb2.Rule.Name(option.rule).removeprefix("RULE_")]
    check, shown = rule.check, rule.shown
    if field.enum_type is not None:
        check, shown = _enum_check(field.enum_type), _enum_shown(field.enum_type)
    message = field.message_type is not None
    return _Field(
        field.name, check, shown, option.required, field.is_repeated, message, option.iso8583, secret=rule.secret
    )


@cache
def _secrets(kind: Descriptor) -> tuple[_Secrets, ...]:
    return tuple(_secrets_in(kind))


def _secrets_in(kind: Descriptor, within: str = "") -> Iterator[_Secrets]:
    plans = _plan(kind)
    texts = tuple((plan.name, plan.shown) for plan in plans if plan.secret and _is_text(kind, plan))
    others = tuple(filter(None, (_hide(kind, plan) for plan in plans)))
    if texts or others:
        yield _Secrets(attrgetter(within) if within else None, texts, others)
    for plan in plans:
        if plan.message and not plan.repeated:
            nested = kind.fields_by_name[plan.name].message_type
            yield from _secrets_in(nested, f"{within}.{plan.name}".strip("."))


def _is_text(kind: Descriptor, plan: _Field) -> bool:
    return not plan.repeated and kind.fields_by_name[plan.name].type == FieldDescriptor.TYPE_STRING


def _hide(kind: Descriptor, plan: _Field) -> Hide | None:
    """What hides a field that is no single text: of many of a kind the number is shown, of bytes their length."""
    if plan.message and plan.repeated:
        return lambda message: [one.Clear() for one in getattr(message, plan.name)]
    if not plan.secret or _is_text(kind, plan):
        return None
    if plan.repeated:
        return lambda message: _put(getattr(message, plan.name), plan.shown)
    assert kind.fields_by_name[plan.name].type == FieldDescriptor.TYPE_BYTES, (
        f"{plan.name}: no way to hide such a field"
    )
    return lambda message: setattr(message, plan.name, bytes(len(getattr(message, plan.name))))


def _put(values: Any, shown: Shown) -> None:
    values[:] = [shown(value) for value in values]


def _enum_check(kind: Any) -> Check:
    # Proto3 enumerations are open: any number passes unless it is looked up.
    known = frozenset(number for number in kind.values_by_number if number != 0)
    return lambda value: None if value in known else "must be one of the values that the enumeration defines"


def _enum_shown(kind: Any) -> Shown:
    names = {number: value.name.removeprefix(_prefix(kind.name)) for number, value in kind.values_by_number.items()}
    return lambda value: str(names.get(value, value))  # what is shown may be anybody's


def _prefix(name: str) -> str:
    """POS_ENTRY_MODE_ for PosEntryMode: what Google's style puts before each value."""
    words = "".join(f"_{letter}" if letter.isupper() else letter for letter in name)
    return f"{words.strip('_').upper()}_"
