"""The tally of what each service has to do: right, bounded, and not to be led astray by whoever sends spans."""

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from cardnet.cde.v1 import issuer_pb2, token_operator_pb2, token_vault_pb2
from cardnet.traces.tally import LATEST, REMEMBERED, STREAMS, Figures, Tally
from cardnet.v1 import token_lifecycle_pb2, token_service_pb2


def span(took_ms: int = 1, *, failed: bool = False, kind: int = Span.SPAN_KIND_SERVER) -> Span:
    made = Span(kind=kind, start_time_unix_nano=10**9, end_time_unix_nano=10**9 + took_ms * 10**6)
    if failed:
        made.status.code = Status.STATUS_CODE_ERROR
    return made


def authorise(number: int, fault: str = "", *, served: bool = False, took_ms: int = 1, switch: str = "") -> Span:
    """The span of one end of a call from network to issuer."""
    made = span(took_ms, failed=bool(fault), kind=Span.SPAN_KIND_SERVER if served else Span.SPAN_KIND_CLIENT)
    made.trace_id, made.name = number.to_bytes(16), "cardnet.cde.v1.Issuer/Authorise"
    made.span_id, made.parent_span_id = (b"issuer..", b"network.") if served else (b"network.", b"acquirer")
    for key, value in {"rpc.response.status_code": fault, "cardnet.fault": switch}.items():
        made.attributes.add(key=key).value.string_value = value
    return made


def test_calls_percentiles_errors_and_age_are_those_of_the_spans() -> None:
    tally = Tally()
    for took_ms in range(1, 101):
        tally.take("issuer", span(took_ms, failed=took_ms > 95), now_s=100.0)

    figures = tally.figures("issuer", now_s=103.0)

    assert (figures.calls, figures.errors, figures.ago_s) == (100, 0.05, 3.0)
    assert (figures.p50_ms, figures.p99_ms) == (50.0, 99.0)
    assert tally.figures("tsp", now_s=103.0) == Figures()


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    tally = Tally()
    for second in range(30):
        for _ in range(5):
            tally.take("tsp", span(), now_s=second + 0.5)

    assert tally.figures("tsp", now_s=29.9).rate == pytest.approx(5.0)
    assert tally.figures("tsp", now_s=35.0).rate == pytest.approx(2.5)
    assert tally.figures("tsp", now_s=60.0).rate == 0.0


def test_errors_and_percentiles_forget_all_but_the_latest_thousand() -> None:
    tally = Tally()
    for _ in range(LATEST):
        tally.take("network", span(900, failed=True), now_s=1.0)
    for _ in range(LATEST):
        tally.take("network", span(2), now_s=2.0)

    figures = tally.figures("network", now_s=2.0)

    assert (figures.calls, figures.errors, figures.p50_ms, figures.p99_ms) == (2 * LATEST, 0.0, 2.0, 2.0)


def test_strangers_and_callers_are_not_counted_and_take_no_room() -> None:
    tally = Tally()
    for number in range(100):
        tally.take(f"service-{number}", span(), now_s=1.0)
    tally.take("issuer", span(kind=Span.SPAN_KIND_CLIENT), now_s=1.0)

    assert tally.figures("issuer", now_s=1.0).calls == 0
    with pytest.raises(KeyError):
        tally.figures("service-1", now_s=1.0)


def test_a_span_that_ends_before_it_begins_or_takes_for_ever_does_no_harm() -> None:
    tally = Tally()
    tally.take("issuer", Span(kind=Span.SPAN_KIND_SERVER, start_time_unix_nano=2**64 - 1), now_s=1.0)
    assert tally.figures("issuer", now_s=1.0).p99_ms == 0.0
    tally.take("issuer", Span(kind=Span.SPAN_KIND_SERVER, end_time_unix_nano=2**64 - 1), now_s=1.0)
    assert tally.figures("issuer", now_s=1.0).p99_ms == 3_600_000.0


def test_a_stream_is_no_call_that_takes_long() -> None:
    tally, stream = Tally(), span(60_000, failed=True)
    stream.name = "cardnet.v1.TokenNotifications/FollowTokens"
    tally.take("tsp", stream, now_s=1.0)
    tally.take("tsp", span(), now_s=1.0)
    assert (tally.figures("tsp", now_s=1.0).calls, tally.figures("tsp", now_s=1.0).errors) == (1, 0.0)


def test_all_streams_of_the_protos_are_known_for_what_they_are() -> None:
    streams = {
        f"{service.full_name}/{method.name}"
        for file in (token_lifecycle_pb2, token_operator_pb2, token_vault_pb2, token_service_pb2, issuer_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.server_streaming
    }
    assert streams == STREAMS


@pytest.mark.parametrize("fault", ["UNAVAILABLE", "DEADLINE_EXCEEDED"])
def test_who_leaves_no_span_of_a_call_that_it_did_not_answer_is_charged_with_it(fault: str) -> None:
    tally = Tally()
    for number in range(1, 5):
        tally.take("network", authorise(number), now_s=1.0)
        tally.take("issuer", authorise(number, served=True), now_s=1.0)
    tally.take("network", authorise(5, fault, took_ms=2_000), now_s=7.0)

    figures = tally.figures("issuer", now_s=8.0)

    assert (figures.calls, figures.errors, figures.p99_ms, figures.ago_s) == (5, 0.2, 2_000.0, 1.0)
    assert tally.figures("network", now_s=8.0) == Figures(), "it was not asked"


@pytest.mark.parametrize("own", ["", "UNAVAILABLE", "CANCELLED"])
@pytest.mark.parametrize("order", ["caller first", "service first"])
def test_the_two_ends_of_a_call_are_one_call_and_it_failed_if_its_caller_got_no_answer(own: str, order: str) -> None:
    ends = [
        ("network", authorise(1, "DEADLINE_EXCEEDED", took_ms=2_000)),
        ("issuer", authorise(1, own, served=True, took_ms=5)),
    ]
    tally = Tally()
    for service, end in ends if order == "caller first" else reversed(ends):
        tally.take(service, end, now_s=1.0)

    figures = tally.figures("issuer", now_s=1.0)

    assert (figures.calls, figures.errors, figures.p50_ms) == (1, 1.0, 5.0)


def test_a_second_delivery_is_a_second_call() -> None:
    tally = Tally()
    for _ in range(2):
        tally.take("issuer", authorise(1, served=True), now_s=1.0)
    assert tally.figures("issuer", now_s=1.0).calls == 2


def test_what_a_fault_switch_or_a_stranger_did_is_not_charged_to_who_was_asked() -> None:
    tally = Tally()
    tally.take("network", authorise(1, "DEADLINE_EXCEEDED", switch="the request does not arrive"), now_s=1.0)
    tally.take("network", authorise(2, "UNAVAILABLE", switch="answered UNAVAILABLE, nobody is asked"), now_s=1.0)
    tally.take("network", authorise(3, "CANCELLED"), now_s=1.0)
    tally.take("merchant", authorise(4, "UNAVAILABLE"), now_s=1.0)  # who may not call it
    tally.take("a stranger", authorise(5, "UNAVAILABLE"), now_s=1.0)
    other = authorise(6, "UNAVAILABLE")
    other.name = "another.Service/Call"
    tally.take("network", other, now_s=1.0)
    assert tally.figures("issuer", now_s=1.0) == Figures()


def test_of_calls_that_wait_for_their_other_end_only_the_latest_are_remembered() -> None:
    tally = Tally()
    for number in range(1, REMEMBERED + 2):
        tally.take("network", authorise(number, "UNAVAILABLE"), now_s=1.0)
    assert tally.figures("issuer", now_s=1.0).calls == REMEMBERED + 1
    for number in (2, REMEMBERED + 1):
        tally.take("issuer", authorise(number, served=True), now_s=1.0)
    assert tally.figures("issuer", now_s=1.0).calls == REMEMBERED + 1
    tally.take("issuer", authorise(1, served=True), now_s=1.0)  # longer ago than anybody remembers
    assert tally.figures("issuer", now_s=1.0).calls == REMEMBERED + 2
