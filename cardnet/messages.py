"""Messages at a border: held to their fields' rules, and shown with their secrets masked.

The rules are read from the protos' own field options once for each message type and kept as a plan.
"""

from collections.abc import Sequence
from functools import cache
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


class Field(NamedTuple):
    """One field of a message type, and all that is done with its values."""

    name: str
    check: Check
    shown: Shown
    required: bool
    repeated: bool
    message: bool
    iso8583: int
    secret: bool
    clear: int


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


def iso8583_fields(kind: Descriptor) -> dict[str, int]:
    """The ISO 8583 field that carries each field of a message type; those that none carries are left out."""
    fields: dict[str, int] = {}
    for field, plan in zip(kind.fields, plan_of(kind), strict=True):
        if plan.message:
            fields |= iso8583_fields(field.message_type)
        elif plan.iso8583:
            fields[plan.name] = plan.iso8583
    return fields


def _check_fields(message: Message) -> None:
    for name, rule, _, required, repeated, nested, _, _, _ in plan_of(message.DESCRIPTOR):
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
def plan_of(kind: Descriptor) -> tuple[Field, ...]:
    """What is done with the fields of a message type, in the protos' order."""
    return tuple(_planned(field) for field in kind.fields)


@cache
def _shown(kind: Descriptor) -> tuple[tuple[str, Shown, bool, bool], ...]:
    """What showing needs of the plan, as mere tuples: Python takes them apart several times as fast as named ones."""
    return tuple((field.name, field.shown, field.repeated, field.message) for field in plan_of(kind))


def _planned(field: FieldDescriptor) -> Field:
    option: Any = field.GetOptions().Extensions[rule_pb2.field]  # type: ignore[index]
    rule = RULES[rule_pb2.Rule.Name(option.rule).removeprefix("RULE_")]
    check, shown = rule.check, rule.shown
    if field.enum_type is not None:
        check, shown = _enum_check(field.enum_type), _enum_shown(field.enum_type)
    message = field.message_type is not None
    secret, clear = rule.secret, rule.clear
    return Field(field.name, check, shown, option.required, field.is_repeated, message, option.iso8583, secret, clear)


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
