"""A message that is masked has no secret in its bytes, and shows what the message itself shows."""

from collections.abc import Iterator
from importlib import import_module
from itertools import count
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from cardnet import messages
from cardnet.rules import RULES
from cardnet.v1 import network_pb2, rule_pb2

PROTOS = Path(__file__).parents[2] / "protos"
FILES = [
    import_module(".".join(proto.relative_to(PROTOS).with_suffix("").parts) + "_pb2")
    for proto in sorted(PROTOS.rglob("*.proto"))
]
RULE = rule_pb2.FieldRule.DESCRIPTOR
"""What fields say of themselves: a part of no message, and so it has no rules itself."""
KINDS = [kind for file in FILES for kind in file.DESCRIPTOR.message_types_by_name.values() if kind is not RULE]
PAN = "9999010000000424"


def is_secret(field: FieldDescriptor) -> bool:
    option = field.GetOptions().Extensions[rule_pb2.field]  # type: ignore[index]
    return RULES[rule_pb2.Rule.Name(option.rule).removeprefix("RULE_")].secret


def filled(kind: Descriptor, numbers: Iterator[int], member: int, secrets: list[bytes]) -> Message:
    """A message all of whose fields have a value of their own. member: which of a oneof's alternatives."""
    message = GetMessageClass(kind)()
    for field in kind.fields:
        alternatives = field.containing_oneof.fields if field.containing_oneof else [field]
        if alternatives[member % len(alternatives)] is field:
            fill(message, field, numbers, member, secrets)
    return message


def fill(message: Message, field: FieldDescriptor, numbers: Iterator[int], member: int, secrets: list[bytes]) -> None:
    if field.message_type is not None:
        of = [filled(field.message_type, numbers, member, secrets) for _ in range(2)]
        getattr(message, field.name).extend(of) if field.is_repeated else getattr(message, field.name).CopyFrom(of[0])
        return
    values = [value(field, next(numbers), secrets) for _ in range(2)]
    if field.is_repeated:
        getattr(message, field.name).extend(values)
    else:
        setattr(message, field.name, values[0])


def value(field: FieldDescriptor, number: int, secrets: list[bytes]) -> object:
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        text = f"{field.name}-{number:020}"
        if is_secret(field):
            secrets.append(text[:-4].encode())
        return text if field.type == FieldDescriptor.TYPE_STRING else text.encode()
    return number


@pytest.mark.parametrize("member", range(3))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.full_name)
def test_every_message_loses_its_secrets_and_shows_the_same(kind: Descriptor, member: int) -> None:
    secrets: list[bytes] = []
    message = filled(kind, count(1), member, secrets)
    before = message.SerializeToString()
    masked = messages.masked(message)
    assert [secret for secret in secrets if secret in before] == secrets
    assert [secret for secret in secrets if secret in masked] == []
    assert messages.show(type(message).FromString(masked)) == messages.show(message)
    assert message.SerializeToString() == before  # it may still be on its way


def test_a_message_without_a_value_stays_without_one() -> None:
    assert KINDS
    for kind in KINDS:
        assert messages.masked(GetMessageClass(kind)()) == b""


def test_the_search_finds_secrets_in_messages_of_messages() -> None:
    asked = network_pb2.RouteAuthorisationRequest(token_data={"payment_token": PAN, "cryptogram": "A" * 27 + "="})
    masked = network_pb2.RouteAuthorisationRequest.FromString(messages.masked(asked))
    assert masked.token_data.payment_token == "••••0424"
    assert masked.token_data.cryptogram == "present"
