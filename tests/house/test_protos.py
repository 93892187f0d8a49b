"""What every message of the protos keeps: a rule for each field, secrets marked, a comment on everything."""

from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor

from cardnet.cde.v1 import issuer_pb2, pan_lifecycle_pb2, token_operator_pb2, token_vault_pb2
from cardnet.identity import MAY_CALL
from cardnet.otlp import EXPORT
from cardnet.rules import RULES
from cardnet.v1 import (
    acquirer_pb2,
    merchant_pb2,
    network_pb2,
    payment_pb2,
    rule_pb2,
    token_lifecycle_pb2,
    token_pb2,
    token_service_pb2,
    traces_pb2,
)

ROOT = Path(__file__).parents[2]
EDGE = (
    acquirer_pb2,
    merchant_pb2,
    network_pb2,
    payment_pb2,
    token_lifecycle_pb2,
    token_pb2,
    token_service_pb2,
    traces_pb2,
)
INSIDE = (issuer_pb2, pan_lifecycle_pb2, token_operator_pb2, token_vault_pb2)
RULE_NAMES = set(rule_pb2.Rule.DESCRIPTOR.values_by_name) - {"RULE_UNSPECIFIED"}
FILES: list[FileDescriptor] = [module.DESCRIPTOR for module in (*EDGE, *INSIDE)]
MESSAGES: list[Descriptor] = [message for file in FILES for message in file.message_types_by_name.values()]
FIELDS: list[FieldDescriptor] = [field for message in MESSAGES for field in message.fields]


def test_every_file_of_the_protos_is_at_the_edge_or_inside() -> None:
    found = {path.relative_to(ROOT / "protos").as_posix() for path in (ROOT / "protos").rglob("*.proto")}
    assert found == {file.name for file in FILES} | {rule_pb2.DESCRIPTOR.name}


def rule_name(field: FieldDescriptor) -> str:
    return rule_pb2.Rule.Name(field.GetOptions().Extensions[rule_pb2.field].rule).removeprefix("RULE_")


def field_id(field: FieldDescriptor) -> str:
    return str(field.full_name)


@pytest.mark.parametrize("field", FIELDS, ids=field_id)
def test_every_field_names_its_rule(field: FieldDescriptor) -> None:
    assert rule_name(field) in RULES
    assert (rule_name(field) == "MESSAGE") == (field.message_type is not None)
    assert (rule_name(field) == "ENUM") == (field.enum_type is not None)


@pytest.mark.parametrize("field", FIELDS, ids=field_id)
def test_a_secret_field_is_marked_for_every_tool_that_looks(field: FieldDescriptor) -> None:
    assert field.GetOptions().debug_redact == RULES[rule_name(field)].secret


@pytest.mark.parametrize("rule", sorted(RULE_NAMES))
def test_every_rule_of_the_protos_is_stated(rule: str) -> None:
    assert rule.removeprefix("RULE_") in RULES


def test_every_stated_rule_is_one_of_the_protos() -> None:
    assert {f"RULE_{name}" for name in RULES} == RULE_NAMES


def test_no_field_at_the_edge_can_carry_a_clear_pan() -> None:
    edge = [field for field in FIELDS if field.file in [module.DESCRIPTOR for module in EDGE]]
    assert edge
    assert not [field.full_name for field in edge if rule_name(field) == "PAN"]
    assert not [
        module.DESCRIPTOR.name for module in EDGE if any("cde" in d.name for d in module.DESCRIPTOR.dependencies)
    ]


def test_every_method_says_who_may_call_it() -> None:
    served = {f"/{s.full_name}/{m.name}" for f in FILES for s in f.services_by_name.values() for m in s.methods}
    assert served | {EXPORT} == set(MAY_CALL)


@pytest.mark.parametrize("path", sorted((ROOT / "protos").rglob("*.proto")), ids=lambda path: path.name)
def test_every_element_of_a_proto_has_a_comment(path: Path) -> None:
    before = ""
    for line in path.read_text().splitlines():
        text = line.strip()
        names_something = text.startswith(("message ", "service ", "rpc ", "enum ")) or (
            "= " in text and text[:1].isalpha() and not text.startswith(("syntax", "option"))
        )
        if names_something and not before.startswith("//"):
            pytest.fail(f"{path.name}: no comment before: {text}")
        before = text
