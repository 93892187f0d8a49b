"""Reads spans: which steps they tell of, and what should be there and is not.

Anybody may have sent them, so nothing in them is believed to be as cardnet would write it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from grpc import StatusCode
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cardnet.identity import MAY_CALL
from cardnet.span import SERVED_BY
from cardnet.steps import STEPS
from cardnet.traces.carried import ENDS, fields_of, iso8583_of
from cardnet.traces.switches import explains, unsent
from cardnet.traces.trace import Aside, Trace, TracedStep


def call_of(span: Span) -> str:
    """The method that a span is of, without its service: "Checkout"."""
    return span.name.rpartition("/")[2]


def server_of(span: Span) -> str:
    """The service whose call a span is of, either end: "merchant". Empty where it is not one of cardnet's."""
    return SERVED_BY.get(span.name.strip("/").partition("/")[0], "")


def is_ours(span: Span) -> bool:
    """Whether a span is of a call of cardnet's, by its name: anybody may give it one."""
    return f"/{span.name.strip('/')}" in MAY_CALL


def was_answered(span: Span) -> bool:
    """Whether a span is a caller's whose call was answered: then the span of who answered belongs beside it."""
    return span.kind == Span.SPAN_KIND_CLIENT and not span.status.code and bool(server_of(span))


def asked_somebody(span: Span) -> bool:
    """Whether a span is a caller's whose call may have come to who was asked: whose span belongs beside it, then."""
    return (
        span.kind == Span.SPAN_KIND_CLIENT
        and bool(server_of(span))
        and not (span.status.code and unsent(_known(span).get("cardnet.fault", ""), fault_of(span), _took_ms(span)))
    )


def trace_of(trace_id: str, spans: Sequence[Span]) -> Trace:
    """The steps that the spans tell of, in order, and what is missing."""
    ours = [span for span in spans if is_ours(span)]
    served = {span.parent_span_id for span in ours if span.kind == Span.SPAN_KIND_SERVER}
    answered = {span.span_id for span in ours if was_answered(span) and not fault_of(span)}
    steps = sorted((step for span in spans for step in _steps(span, served, answered)), key=lambda step: step.number)
    return Trace(trace_id, _merged(steps), list(dict.fromkeys(_missing(spans, ours, served))), _asides(ours))


def _missing(spans: Sequence[Span], ours: Sequence[Span], served: Collection[bytes]) -> Iterator[str]:
    """A sentence for each record that should be there and is not. A call that was made twice has two of one end."""
    known = {span.span_id for span in spans}
    for span in ours:
        if span.kind == Span.SPAN_KIND_CLIENT and span.span_id not in served:
            yield from _silent(span)
        elif span.kind == Span.SPAN_KIND_SERVER and span.parent_span_id not in known and call_of(span) != "Checkout":
            yield from _caller_silent(span)
    if not any(call_of(span) == "Checkout" and span.kind != Span.SPAN_KIND_CLIENT for span in spans):
        yield "the merchant's record of Checkout has not come: it has not ended, or the merchant may have been killed"


def _silent(span: Span) -> Iterator[str]:
    """Who was asked has left no record of it. A call that a fault switch let fail needs none."""
    service, call = server_of(span), call_of(span)
    fault = fault_of(span) or ("an error" if span.status.code else "")
    if not fault:
        yield f"the {service} answered {call}, but its own record of that has not come: it may have been killed since"
    elif not explains(_known(span).get("cardnet.fault", ""), fault, _took_ms(span)):
        cause = _CAUSES.get(fault, "its own record of that has not come")
        yield f"the {service} did not answer {call}: {fault}; {cause}"


_CAUSES = {
    "UNAVAILABLE": "it may have been killed, or could not be reached",
    "DEADLINE_EXCEEDED": "it may be slow, paused or killed",
    "CANCELLED": "whoever asked has not waited for it",
}


def _caller_silent(span: Span) -> Iterator[str]:
    """Who asked has left no record of it. Nobody does who is no service of the network, such as an operator."""
    callers = MAY_CALL[f"/{span.name.strip('/')}"] & set(SERVED_BY.values())
    if len(callers) == 1:
        (caller,) = callers
        yield f"the {caller} asked {call_of(span)}, but its own record of that has not come: it may have been killed"


def fault_of(span: Span) -> str:
    """The gRPC status that a span tells of, such as "UNAVAILABLE"; empty for OK, and for what is no gRPC status."""
    for attribute in span.attributes:
        if attribute.key == _STATUS:
            return _fault(attribute.value.string_value)
    return ""


def _fault(said: str) -> str:
    return said if said in _FAULTS else ""


def _took_ms(span: Span) -> float:
    return (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6


def has_steps(span: Span) -> bool:
    """Whether a span tells of one of the nine steps."""
    return any(
        attribute.key in ("cardnet.request.step", "cardnet.response.step") and attribute.value.string_value in _NUMBERS
        for attribute in span.attributes
    )


def _known(span: Span) -> dict[str, str]:
    """A span's attributes that are texts, by name."""
    return {attribute.key: attribute.value.string_value for attribute in span.attributes}


def _steps(span: Span, served: Collection[bytes], answered: Collection[bytes]) -> list[TracedStep]:
    known = _known(span)
    return [
        TracedStep(
            number=_NUMBERS[known[f"cardnet.{end}.step"]],
            fields=fields_of(span, end),
            iso8583=iso8583_of(span, end),
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            fault=_fault(known.get(_STATUS, "")),
            # It is the caller's span that tells, whose request is disturbed; the answer is another's step.
            disturbed=known.get("cardnet.fault", "") if span.kind == Span.SPAN_KIND_CLIENT else "",
            arrived=_arrived(span, end, served, answered),
        )
        for end in ENDS
        if known.get(f"cardnet.{end}.step") in _NUMBERS
    ]


def _asides(ours: Sequence[Span]) -> list[Aside]:
    """The calls beside the steps of which there is something to say, in the order in which they began."""
    aside = [span for span in ours if span.kind == Span.SPAN_KIND_CLIENT and call_of(span) not in _OF_STEPS]
    wanted = [span for span in aside if fault_of(span) or _known(span).get("cardnet.fault")]
    known = {span.span_id: span for span in ours} if wanted else {}
    wanted.sort(key=lambda span: span.start_time_unix_nano)
    return [_aside(span, known[span.parent_span_id]) for span in wanted if _for_checkout(span, known)]


def _aside(span: Span, within: Span) -> Aside:
    times = span.start_time_unix_nano, span.end_time_unix_nano
    disturbed = _known(span).get("cardnet.fault", "")
    return Aside(server_of(within), server_of(span), call_of(span), *times, fault_of(span), disturbed)


def _for_checkout(span: Span, known: Mapping[bytes, Span]) -> bool:
    """Whether a call was made for Checkout by the merchant, or by whom it asked, and not for a later step."""
    for _ in range(_DEEPEST):
        if span.parent_span_id not in known:
            return False
        span = known[span.parent_span_id]
        if call_of(span) in _OF_STEPS:
            return call_of(span) == "Checkout" and span.kind == Span.SPAN_KIND_SERVER
    return False


_OF_STEPS = {step.call for step in STEPS}
_DEEPEST = 20
"""Spans that are looked up from one: cardnet's lie four deep, and somebody else's may name each other in a ring."""


def _arrived(span: Span, end: str, served: Collection[bytes], answered: Collection[bytes]) -> bool:
    """Whether the message is known to have reached its receiver, which each end knows of what came to it.

    served: the callers' spans whose calls were taken on, by who was asked. answered: those that got an answer.
    """
    if span.kind == Span.SPAN_KIND_CLIENT and end == "request":
        return span.span_id in served or span.span_id in answered
    if span.kind == Span.SPAN_KIND_SERVER and end == "response" and call_of(span) != "Checkout":
        return span.parent_span_id in answered
    return True


_STATUS = "rpc.response.status_code"
_FAULTS = {code.name for code in StatusCode} - {"OK"}
_NUMBERS = {str(step.number): step.number for step in STEPS}


def _merged(steps: list[TracedStep]) -> list[TracedStep]:
    """The two ends of a step that is both, as one."""
    merged: list[TracedStep] = []
    for step in steps:
        if merged and merged[-1].number == step.number:
            last = merged.pop()
            step = TracedStep(
                step.number,
                {**last.fields, **step.fields},
                {**last.iso8583, **step.iso8583},
                last.start_ns,
                step.end_ns,
                last.fault or step.fault,
                arrived=last.arrived or step.arrived,
                disturbed=last.disturbed or step.disturbed,
            )
        merged.append(step)
    return merged
