"""Spans of any making become a trace: what arrived, what is missing, and nothing that cannot be written."""

import json

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from payment_spans import checkout, number, sent, submission

from cardnet.span import Ended
from cardnet.traces.drawing import document
from cardnet.traces.mermaid import mermaid
from cardnet.traces.picture import plain
from cardnet.traces.spans import trace_of, was_answered
from cardnet.traces.trace import Trace


async def spans_of(service: str, *ended: Ended) -> list[Span]:
    data = await sent(service, ended)
    return [span for one in data.resource_spans for scope in one.scope_spans for span in scope.spans]


async def asked(fault: str = "", disturbed: str = "") -> list[Span]:
    """The merchant's records of a payment whose call of the acquirer ended so."""
    call = submission(1, server=False, fault=fault)._replace(disturbed=disturbed)
    return await spans_of("merchant", call, checkout(1))


def read(*spans: Span) -> Trace:
    return trace_of(number(1), spans)


def arrived(trace: Trace) -> dict[int, bool]:
    return {step.number: step.arrived for step in trace.steps}


async def test_what_was_sent_arrived_where_the_other_end_says_so() -> None:
    answered, failed = await asked(), await asked("UNAVAILABLE")
    acquirer = await spans_of("acquirer", submission(1, server=True))
    assert arrived(read(*answered, *acquirer)) == {1: True, 2: True, 8: True, 9: True}
    assert arrived(read(*answered)) == {1: True, 2: True, 9: True}, "an answer shows that the question arrived"
    assert arrived(read(*failed)) == {1: True, 2: False, 9: True}
    assert arrived(read(*failed, *acquirer)) == {1: True, 2: True, 8: False, 9: True}
    assert arrived(read(*acquirer)) == {8: False}


@pytest.mark.parametrize(
    "switch", ["the request does not arrive", "the answer is lost", "answered UNAVAILABLE, nobody is asked"]
)
async def test_nothing_is_missing_where_a_fault_switch_let_the_call_fail(switch: str) -> None:
    assert read(*await asked("UNAVAILABLE", switch)).missing == []


@pytest.mark.parametrize("switch", ["", "each request arrives twice"])
async def test_who_is_silent_for_another_reason_may_have_been_killed(switch: str) -> None:
    [sentence] = read(*await asked("UNAVAILABLE", switch)).missing
    assert sentence.endswith("it may have been killed, or could not be reached")


async def test_who_answered_and_left_no_record_is_missed_though_a_switch_disturbed_it() -> None:
    [sentence] = read(*await asked("", "the answer is lost")).missing
    assert sentence.startswith("the acquirer answered SubmitPayment, but its own record of that has not come")


async def test_a_callers_call_was_answered_unless_it_failed() -> None:
    [answered, _], [failed, _] = await asked(), await asked("UNAVAILABLE")
    [server] = await spans_of("acquirer", submission(1, server=True))
    assert [was_answered(span) for span in (answered, failed, server)] == [True, False, False]


def detokenised(kind: Span.SpanKind.ValueType, end: str, fault: str) -> Span:
    span = Span(name="cardnet.cde.v1.TokenVault/Detokenise", kind=kind, span_id=b"12345678")
    told = {f"cardnet.{end}.step": "4", f"cardnet.{end}.fields": "{}", "rpc.response.status_code": fault or "OK"}
    for name, value in told.items():
        span.attributes.add(key=name).value.string_value = value
    return span


def test_a_step_that_is_both_ends_keeps_its_fault() -> None:
    ours = detokenised(Span.SPAN_KIND_CLIENT, "request", "DEADLINE_EXCEEDED")
    theirs = detokenised(Span.SPAN_KIND_SERVER, "response", "")
    for spans in ((ours, theirs), (theirs, ours)):
        [step] = read(*spans).steps
        assert step.fault == "DEADLINE_EXCEEDED"


BROKEN = {"\ud800": "a\udfffb", "notice": ["\ud800"], "merchant_name": "é"}


async def test_half_characters_of_somebodys_span_spoil_no_export() -> None:
    [span] = await spans_of("merchant", checkout(1))
    for attribute in span.attributes:
        if attribute.key.endswith(".fields"):
            attribute.value.string_value = json.dumps(BROKEN)
    trace = read(span)
    assert trace.steps[0].fields == {"?": "a?b", "notice": "['\\ud800']", "merchant_name": "é"}
    for exported in (trace.to_json(), document(trace), mermaid(trace), plain(trace)):
        exported.encode()


def test_a_document_from_before_is_read() -> None:
    document = json.loads(read(detokenised(Span.SPAN_KIND_CLIENT, "request", "UNAVAILABLE")).to_json())
    assert document["steps"][0]["arrived"] is False
    del document["steps"][0]["arrived"], document["steps"][0]["disturbed"]
    [step] = Trace.from_json(json.dumps(document)).steps
    assert step.arrived and step.disturbed == ""
