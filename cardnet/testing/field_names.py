"""What a test may call a field of a step: "DE2", or the field's own name."""

from collections.abc import Iterator
from functools import cache

from google.protobuf.descriptor import Descriptor

from cardnet.cde.v1 import issuer_pb2, token_vault_pb2
from cardnet.errors import InvalidField
from cardnet.messages import plan_of
from cardnet.steps import STEPS
from cardnet.v1 import acquirer_pb2, merchant_pb2, network_pb2

_PROTOS = (merchant_pb2, acquirer_pb2, network_pb2, token_vault_pb2, issuer_pb2)


def check(field: object) -> None:
    """InvalidField where no message of any step has such a field: a name that is mistyped never changes."""
    numbers, names = _known()
    if field not in (*(f"DE{number}" for number in numbers), *names):
        labels = ", ".join(f"DE{number}" for number in numbers)
        raise InvalidField("field", f"must be one of {labels}, or a field's own name: {', '.join(names)}")


@cache
def _known() -> tuple[list[int], list[str]]:
    """The ISO 8583 fields and the names of all fields that the messages of the nine steps have."""
    calls = {step.call for step in STEPS}
    services = (service for proto in _PROTOS for service in proto.DESCRIPTOR.services_by_name.values())
    methods = [method for service in services for method in service.methods if method.name in calls]
    found = {field for method in methods for kind in (method.input_type, method.output_type) for field in _fields(kind)}
    return sorted({number for _, number in found if number}), sorted({name for name, _ in found})


def _fields(kind: Descriptor) -> Iterator[tuple[str, int]]:
    """As `messages.show` has them: fields of a message within stand under their own names."""
    for field, plan in zip(kind.fields, plan_of(kind), strict=True):
        if plan.message and not plan.repeated:
            yield from _fields(field.message_type)
        else:
            yield plan.name, plan.iso8583
