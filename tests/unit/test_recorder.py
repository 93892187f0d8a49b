"""What a recorder writes is a span as OpenTelemetry has it; it never waits, and counts what it drops."""

import json

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData
from payment_spans import END_NS, START_NS, Gathered, checkout, number, sent, submission

from cardnet import __version__, recorder
from cardnet.identity import MAY_CALL
from cardnet.recorder import Recorder, gathering_s
from cardnet.span import BRIEF, SERVED_BY, Ended, _attribute
from cardnet.traces.carried import tell_all
from cardnet.v1.merchant_pb2 import CheckoutRequest


async def only(service: str, ended: Ended) -> tuple[Span, dict[str, str]]:
    data = await sent(service, [ended])
    (span,) = data.resource_spans[0].scope_spans[0].spans
    return span, {attribute.key: attribute.value.string_value for attribute in span.attributes}


async def test_a_span_says_which_call_when_and_where_in_the_trace() -> None:
    span, told = await only("merchant", submission(7, server=False))
    assert (span.trace_id.hex(), span.span_id.hex()) == (number(7), "00000000000000b1")
    assert span.parent_span_id.hex() == "00000000000000a1"
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (START_NS, END_NS)
    assert (span.name, span.kind) == ("cardnet.v1.Acquirer/SubmitPayment", Span.SPAN_KIND_CLIENT)
    fields = json.loads(told.pop("cardnet.request.fields"))
    assert fields["payment_token"] == "••••0483"
    assert told == {
        "rpc.system.name": "grpc",
        "rpc.method": "cardnet.v1.Acquirer/SubmitPayment",
        "rpc.response.status_code": "OK",
        "server.address": "acquirer",
        "cardnet.request.step": "2",
    }


async def test_a_root_has_no_parent_and_both_its_ends_are_steps_of_the_merchant() -> None:
    span, told = await only("merchant", checkout(1))
    assert span.parent_span_id == b""
    assert (told["cardnet.request.step"], told["cardnet.response.step"]) == ("1", "9")
    assert "server.address" not in told


async def test_who_receives_a_step_does_not_record_it() -> None:
    _, told = await only("acquirer", submission(1, server=True))
    assert "cardnet.request.step" not in told and told["cardnet.response.step"] == "8"


@pytest.mark.parametrize("server", [False, True])
@pytest.mark.parametrize("fault", ["UNAVAILABLE", "INVALID_ARGUMENT", "CANCELLED"])
async def test_a_fault_is_an_error_of_the_caller_and_of_the_server_where_it_is_to_blame(
    server: bool, fault: str
) -> None:
    span, told = await only("acquirer", submission(1, server=server, fault=fault))
    error = not server or fault == "UNAVAILABLE"
    assert told["rpc.response.status_code"] == fault
    assert told.get("error.type", "") == (fault if error else "")
    assert span.status.code == (Status.STATUS_CODE_ERROR if error else Status.STATUS_CODE_UNSET)


async def test_long_fields_and_many_spans_are_written_as_protobuf_has_them() -> None:
    ended = [submission(trace, server=False) for trace in range(1, 1_201)]
    data = await sent("merchant", ended)
    spans = [span for one in data.resource_spans for span in one.scope_spans[0].spans]
    assert [span.trace_id.hex() for span in spans] == [number(trace) for trace in range(1, 1_201)]
    for length in (0, 1, 127, 128, 16_383, 16_384, 2_097_152):
        attribute = Span.FromString(_attribute("key", "ü" * (length // 2) + "x" * (length % 2))).attributes[0]
        assert (attribute.key, len(attribute.value.string_value.encode())) == ("key", length)


async def test_a_message_of_any_length_stands_in_a_span_for_the_collector_as_protobuf_has_it() -> None:
    for length in (0, 1, 100, 127, 128, 250, 16_383, 16_384):
        asked = checkout(1)._replace(request=CheckoutRequest(idempotency_key="k" * length))
        data = await sent("merchant", [asked], BRIEF)
        (told,) = [
            CheckoutRequest.FromString(one.value.bytes_value)
            for one in data.resource_spans[0].scope_spans[0].spans[0].attributes
            if one.key == "cardnet.request.message"
        ]
        assert told == asked.request


async def test_each_receiver_gets_the_messages_in_the_form_that_it_reads() -> None:
    own, others = Gathered(BRIEF), Gathered()
    mine = Recorder("merchant", [own, others])
    mine.record(submission(7, server=False))
    await mine.flush()
    brief, text = (TracesData.FromString(one.data[0]) for one in (own, others))
    assert brief != text
    tell_all(brief)
    assert brief == text


async def test_a_service_names_itself_and_tells_what_it_dropped(monkeypatch) -> None:
    monkeypatch.setattr(recorder, "QUEUE_LENGTH", 2)
    gathered = Gathered()
    mine = Recorder("merchant", [gathered])
    for trace in range(1, 6):
        mine.record(checkout(trace))
    await mine.flush()
    (resource,) = TracesData.FromString(gathered.data[0]).resource_spans
    told = {one.key: one.value.string_value or one.value.int_value for one in resource.resource.attributes}
    assert told == {"service.name": "merchant", "service.version": __version__, "cardnet.dropped_spans": 3}
    assert len(resource.scope_spans[0].spans) == 2


async def test_without_a_receiver_nothing_is_gathered() -> None:
    nobody = Recorder("merchant", [])
    nobody.record(checkout(1))
    assert not nobody._queue and nobody.dropped == 0


def test_whose_each_method_is_is_known() -> None:
    collectors = {"cardnet.v1.Traces", "opentelemetry.proto.collector.trace.v1.TraceService"}
    assert {method.split("/")[1] for method in MAY_CALL} - collectors == SERVED_BY.keys()


@pytest.mark.parametrize(
    ("gathered", "seconds"), [(0, 0.05), (7, 0.05), (8, 0.25), (63, 0.25), (64, 0.5), (100_000, 0.5)]
)
def test_the_more_comes_the_longer_it_is_gathered_and_never_long(gathered: int, seconds: float) -> None:
    assert gathering_s(gathered) == seconds


async def test_a_service_that_is_far_behind_sends_all_of_it_in_order_and_in_parts() -> None:
    gathered = Gathered()
    behind = Recorder("merchant", [gathered])
    for trace in range(1, 1_301):
        behind.record(checkout(trace))
    await behind.flush()
    written = TracesData.FromString(b"".join(gathered.data))
    assert [len(one.scope_spans[0].spans) for one in written.resource_spans] == [512, 512, 276]
    spans = [span for one in written.resource_spans for span in one.scope_spans[0].spans]
    assert [span.trace_id.hex() for span in spans] == [number(trace) for trace in range(1, 1_301)]
    assert behind.dropped == 0
