"""A message that is masked has no secret in its bytes, and shows what the message itself shows."""

from collections.abc import Iterator
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from cardnet import messages
from cardnet.redaction import redacting
from cardnet.rules import RULES
from cardnet.v1 import merchant_pb2, network_pb2, rule_pb2

M = TypeVar("M", bound=Message)

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
    masked = redacting(type(message))(message)
    assert [secret for secret in secrets if secret in before] == secrets
    assert [secret for secret in secrets if secret in masked] == []
    assert messages.show(type(message).FromString(masked)) == messages.show(message)
    assert message.SerializeToString() == before  # it may still be on its way


def test_a_message_without_a_value_stays_without_one() -> None:
    assert KINDS
    for kind in KINDS:
        assert redacting(GetMessageClass(kind))(GetMessageClass(kind)()) == b""


def redacted(message: M) -> M:
    return type(message).FromString(redacting(type(message))(message))


def test_the_search_finds_secrets_in_messages_of_messages() -> None:
    asked = network_pb2.RouteAuthorisationRequest(token_data={"payment_token": PAN, "cryptogram": "A" * 27 + "="})
    data = redacted(asked).token_data
    assert (data.payment_token, data.cryptogram) == ("********0424", "********")


@pytest.mark.parametrize("letter", ["0", "9", "-", ".", "a"])
@pytest.mark.parametrize("length", [1, 2, 8, 45, 46, 48, 57, 64, 4096])
def test_a_secret_of_any_length_is_hidden_and_nothing_else_is_touched(letter: str, length: int) -> None:
    # Of one letter, which may be the number of its own length, too; and it stands in other fields.
    asked = merchant_pb2.CheckoutRequest(
        idempotency_key=letter * 6 + "b",
        amount_minor=ord(letter),
        tokenized_card={"encrypted_details": letter * length},
    )
    shown = redacted(asked)
    assert letter not in shown.tokenized_card.encrypted_details
    assert messages.show(shown) == messages.show(asked)
    assert (shown.idempotency_key, shown.amount_minor) == (letter * 6 + "b", ord(letter))


def test_what_somebody_calls_a_secret_changes_no_other_field() -> None:
    # `R0` is how the next field begins: whoever looked for the secret in the bytes would find it there.
    asked = merchant_pb2.CheckoutRequest(
        tokenized_card={"encrypted_details": "exampleR0", "origin": "https://shop.example"},
        save_for_customer_id="2(" + "A" * 40 + "(a(a(a",
    )
    assert messages.show(redacted(asked)) == messages.show(asked)
    asked = merchant_pb2.CheckoutRequest(
        tokenized_card={"encrypted_details": "shop.example"}, merchant={"merchant_domain": "shop.example"}
    )
    assert messages.show(redacted(asked)) == messages.show(asked)


@pytest.mark.parametrize("part", ["BCDEFGHI", PAN, PAN[2:10], PAN[-8:]])
def test_a_secret_that_is_a_part_of_another_leaves_nothing_of_that(part: str) -> None:
    asked = merchant_pb2.CheckoutRequest(
        token_data={"payment_token": PAN, "cryptogram": f"ABCD{part}ABCD"},
        browser_card={"token": f"abcdefgh{part}abcdefgh"},
        tokenized_card={"encrypted_details": part},
    )
    written = redacting(type(asked))(asked)
    assert not [word for word in ("ABCD", "abcdefgh", part[:4], PAN[:12], PAN[2:10]) if word.encode() in written]
    assert messages.show(redacted(asked)) == messages.show(asked)


def test_a_number_that_is_too_short_to_be_one_is_shown_as_ever() -> None:
    for number in ("1", "1234", "12345"):
        answer = network_pb2.RouteAuthorisationResponse(payment_token=number, amount_minor=12345, currency="123")
        assert messages.show(redacted(answer)) == messages.show(answer)


def test_letters_of_several_bytes_do_not_change_what_stands_beside_them() -> None:
    answer = network_pb2.RouteAuthorisationResponse(payment_token="•ä" * 10, amount_minor=7, par="ä" * 29)
    assert messages.show(redacted(answer)) == messages.show(answer)
