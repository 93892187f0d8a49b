"""Faults as gRPC statuses, and back again at the caller's side: one table.

A status carries `google.rpc` details: an ErrorInfo with the reason, and for an invalid field a BadRequest that names
field and rule; a RequestInfo names the call's trace. Nothing in it quotes a value.
"""

import re

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from cardnet.errors import (
    Fault,
    InProgress,
    InvalidField,
    KeyReused,
    Malformed,
    NotFound,
    NotPermitted,
    Overloaded,
    TimedOut,
    Unauthenticated,
    Unavailable,
)

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "cardnet"

_TRACE_ID = re.compile("[0-9a-f]{32}")

_CODES: dict[type[Fault], StatusCode] = {
    InvalidField: StatusCode.INVALID_ARGUMENT,
    Malformed: StatusCode.INVALID_ARGUMENT,
    Unauthenticated: StatusCode.UNAUTHENTICATED,
    NotPermitted: StatusCode.PERMISSION_DENIED,
    KeyReused: StatusCode.FAILED_PRECONDITION,
    InProgress: StatusCode.ABORTED,
    NotFound: StatusCode.NOT_FOUND,
    Overloaded: StatusCode.RESOURCE_EXHAUSTED,
    TimedOut: StatusCode.DEADLINE_EXCEEDED,
    Unavailable: StatusCode.UNAVAILABLE,
    Fault: StatusCode.INTERNAL,
}

_FAULTS: dict[StatusCode, type[Fault]] = {
    code: kind for kind, code in _CODES.items() if kind not in (InvalidField, Fault)
}


def status_of(fault: Fault) -> tuple[StatusCode, str, bytes]:
    """The status code, its message and its details (a serialised google.rpc.Status)."""
    code = _CODES[type(fault)]
    status = Status(code=code.value[0], message=fault.sentence)
    status.details.add().Pack(ErrorInfo(reason=fault.reason, domain=DOMAIN))
    if isinstance(fault, InvalidField):
        violation = BadRequest.FieldViolation(field=fault.field, description=fault.rule)
        status.details.add().Pack(BadRequest(field_violations=[violation]))
    if fault.trace_id:
        status.details.add().Pack(RequestInfo(request_id=fault.trace_id))
    return code, fault.sentence, status.SerializeToString()


def fault_of(code: StatusCode, details: bytes | None, neighbour: str, words: str = "") -> Fault:
    """The fault that a neighbour's status stands for.

    What does not come from a cardnet service, or says that it failed in a way of its own, is Unavailable: nobody can
    know then whether it acted. words: what gRPC itself said, of a connection that did not come about.
    """
    status = _read(details)
    fault = _meant(code, status, neighbour, words)
    fault.trace_id = _trace_in(status)
    return fault


def _meant(code: StatusCode, status: Status, neighbour: str, words: str) -> Fault:
    if code is StatusCode.DEADLINE_EXCEEDED:
        return TimedOut("NEIGHBOUR_TIMED_OUT", f"the {neighbour} did not answer in time")
    if code is StatusCode.RESOURCE_EXHAUSTED:  # gRPC's own, before the service: it certainly did nothing
        return Overloaded("NEIGHBOUR_OVERLOADED", f"the {neighbour} has more to do than it takes on; ask again soon")
    if code is StatusCode.UNIMPLEMENTED:  # gRPC's own, too
        return NotPermitted(
            "METHOD_NOT_OFFERED", f"the {neighbour} does not offer this call at the door where it was asked"
        )
    kind = _FAULTS.get(code)
    if kind is None or not status.details:
        return _unreachable(neighbour, words)
    return _detailed(kind, status)


def _read(details: bytes | None) -> Status:
    """A status's details; of those that are none, nothing."""
    try:
        return Status.FromString(details or b"")
    except DecodeError:
        return Status()


def _trace_in(status: Status) -> str:
    info = RequestInfo()
    for detail in status.details:
        if detail.Unpack(info) and _TRACE_ID.fullmatch(info.request_id):
            return str(info.request_id)
    return ""


def _unreachable(neighbour: str, words: str) -> Unavailable:
    if "handshake failed" in words or "verification check failed" in words:
        return Unavailable(
            "NEIGHBOUR_NOT_TRUSTED",
            f"who listens in the {neighbour}'s place is not believed to be it: its certificate is expired, another "
            "network's or another's, or it speaks plain text",
        )
    if "Socket closed" in words:  # so do those who do not believe our certificate
        return Unavailable(
            "NEIGHBOUR_UNAVAILABLE", f"the {neighbour} ended the connection; does it believe our identity?"
        )
    return Unavailable("NEIGHBOUR_UNAVAILABLE", f"the {neighbour} cannot be reached or cannot answer now")


def _detailed(kind: type[Fault], status: Status) -> Fault:
    info, bad = ErrorInfo(), BadRequest()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(bad)
    if bad.field_violations:
        violation = bad.field_violations[0]
        return InvalidField(violation.field, violation.description)
    if kind is Malformed:
        return Malformed(status.message, info.reason)
    return kind(info.reason, status.message)
