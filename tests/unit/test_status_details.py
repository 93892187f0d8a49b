"""What a status says beside its sentence, and what a caller takes from it."""

import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RequestInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from cardnet.errors import Fault, InvalidField, TimedOut, Unavailable
from cardnet.status import fault_of, status_of

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"

FAULTS = [
    Unavailable("NEIGHBOUR_UNAVAILABLE", "the network cannot be reached"),
    TimedOut("NO_ANSWER", "the answer did not come in time"),
    InvalidField("amount_minor", "must be more than 0"),
    Fault("INTERNAL", "an error inside cardnet"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_fault_leads_its_caller_to_the_trace(fault: Fault) -> None:
    fault.trace_id = TRACE_ID
    code, _, details = status_of(fault)
    assert fault_of(code, details, "merchant").trace_id == TRACE_ID


def test_a_fault_without_a_trace_leads_nowhere() -> None:
    code, _, details = status_of(Unavailable("STORE_UNAVAILABLE", "the store does not answer"))
    assert fault_of(code, details, "merchant").trace_id == ""
    assert fault_of(StatusCode.UNAVAILABLE, None, "merchant").trace_id == ""


@pytest.mark.parametrize("named", ["", "request 7", TRACE_ID.upper(), f"{TRACE_ID}\n", f"\x1b[2J{TRACE_ID}"])
def test_what_others_call_a_request_is_no_trace(named: str) -> None:
    status = Status()
    status.details.add().Pack(ErrorInfo(reason="STORE_UNAVAILABLE"))
    status.details.add().Pack(RequestInfo(request_id=named))
    assert fault_of(StatusCode.UNAVAILABLE, status.SerializeToString(), "merchant").trace_id == ""


def test_details_that_cannot_be_read_are_none() -> None:
    fault = fault_of(StatusCode.UNAVAILABLE, b"\xff\xff", "merchant")
    assert (type(fault), fault.reason, fault.trace_id) == (Unavailable, "NEIGHBOUR_UNAVAILABLE", "")
