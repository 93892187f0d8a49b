"""Calls of a checkout that are none of the nine steps: what a trace keeps of them, and whom they bring to blame."""

import json
import re
from dataclasses import replace

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from recorded import ID, answered, asking, step

from cardnet.traces.drawing import document
from cardnet.traces.entry import entry_of
from cardnet.traces.mermaid import mermaid
from cardnet.traces.picture import plain, rows
from cardnet.traces.spans import trace_of
from cardnet.traces.trace import Aside, Trace
from cardnet.traces.verdict import verdict_of

SERVER, CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT
CHECKOUT, CRYPTOGRAM = "cardnet.v1.Merchant/Checkout", "cardnet.v1.TokenService/RequestCryptogram"
ISSUE, VERIFY = "cardnet.v1.TokenService/RequestToken", "cardnet.cde.v1.Issuer/VerifyAccount"
LOST, TWICE = "the answer is lost", "each request arrives twice"


def span(
    number: int, name: str, kind: Span.SpanKind.ValueType, parent: int = 0, status: str = "OK", **told: str
) -> Span:
    made = Span(name=name, kind=kind, span_id=b"%08d" % number, parent_span_id=b"%08d" % parent if parent else b"")
    made.start_time_unix_nano, made.end_time_unix_nano = number, number + 1
    if status != "OK":
        made.status.code = 2  # type: ignore[assignment]  # an error
    for key, value in {"rpc.response.status_code": status, **told}.items():
        made.attributes.add(key=key.replace("__", ".")).value.string_value = value
    return made


def paying(*spans: Span) -> list[Span]:
    return [span(1, CHECKOUT, SERVER, status="UNAVAILABLE", cardnet__request__step="1"), *spans]


def asides(*spans: Span) -> list[tuple[str, str, str, str, str]]:
    found = trace_of(ID, paying(*spans)).asides
    return [(one.caller, one.service, one.call, one.fault, one.disturbed) for one in found]


def test_a_call_that_failed_is_kept_and_who_was_silent_is_missed() -> None:
    failed = span(2, CRYPTOGRAM, CLIENT, 1, "UNAVAILABLE")
    assert asides(failed) == [("merchant", "tsp", "RequestCryptogram", "UNAVAILABLE", "")]
    trace = trace_of(ID, paying(failed))
    assert trace.missing == [
        "the tsp did not answer RequestCryptogram: UNAVAILABLE; it may have been killed, or could not be reached"
    ]
    assert entry_of(trace).decided_by == "tsp"


def test_a_call_that_was_disturbed_is_kept_though_it_was_answered() -> None:
    disturbed = span(2, CRYPTOGRAM, CLIENT, 1, cardnet__fault=TWICE)
    assert asides(disturbed) == [("merchant", "tsp", "RequestCryptogram", "", TWICE)]


def test_calls_of_calls_are_kept_in_the_order_in_which_they_began() -> None:
    inner = span(4, VERIFY, CLIENT, 3, "DEADLINE_EXCEEDED")
    outer, served = span(2, ISSUE, CLIENT, 1, "UNAVAILABLE"), span(3, ISSUE, SERVER, 2, "UNAVAILABLE")
    assert [(caller, service) for caller, service, *_ in asides(inner, served, outer)] == [
        ("merchant", "tsp"),
        ("tsp", "issuer"),
    ]


NOT_KEPT = {
    "one that went well": (span(2, CRYPTOGRAM, CLIENT, 1),),
    "a step": (span(2, "cardnet.v1.Acquirer/SubmitPayment", CLIENT, 1, "UNAVAILABLE"),),
    "one that was made for a later step": (
        span(2, "cardnet.v1.Network/RouteAuthorisation", SERVER, 1),
        span(3, "cardnet.cde.v1.Issuer/Reverse", CLIENT, 2, "UNAVAILABLE"),
    ),
    "one of another order": (span(2, ISSUE, CLIENT, 0, "UNAVAILABLE"),),
    "one that hangs on what is not here": (span(2, ISSUE, CLIENT, 77, "UNAVAILABLE"),),
    "two that hang on each other": (
        span(2, ISSUE, CLIENT, 3, "UNAVAILABLE"),
        span(3, ISSUE, SERVER, 2, "UNAVAILABLE"),
    ),
    "somebody else's": (span(2, "shop.Books/Read", CLIENT, 1, "UNAVAILABLE"),),
}


@pytest.mark.parametrize("story", NOT_KEPT)
def test_of_other_calls_nothing_is_kept(story: str) -> None:
    assert asides(*NOT_KEPT[story]) == []


def aside(fault: str = "", disturbed: str = "", caller: str = "merchant", service: str = "tsp") -> Aside:
    call = "RequestCryptogram" if caller == "merchant" else "VerifyAccount"
    return Aside(caller, service, call, 0, 10, fault, disturbed)


def failed(*beside: Aside) -> Trace:
    """The merchant answered with an error, and had not asked the acquirer."""
    return Trace(ID, (replace(asking()[0], fault="UNAVAILABLE"),), (), beside)


DEAD = aside("UNAVAILABLE")
BLAMED = {
    "a dead tsp": (
        (DEAD,),
        ("tsp", "the token service provider, asked RequestCryptogram: could not be reached, or could not answer"),
    ),
    "a switch": (
        (aside("DEADLINE_EXCEEDED", LOST),),
        ("fault switch", f"a fault switch on RequestCryptogram (merchant → tsp): {LOST}"),
    ),
    "a switch that is not why": (
        (aside("INTERNAL", TWICE),),
        (
            "tsp",
            "the token service provider, asked RequestCryptogram: an error inside the service; its log has more",
        ),
    ),
    "a dead issuer behind the tsp": (
        (DEAD, aside("DEADLINE_EXCEEDED", "", "tsp", "issuer")),
        ("issuer", "the issuer, asked VerifyAccount: no answer in time"),
    ),
    "a switch before the issuer": (
        (DEAD, aside("UNAVAILABLE", "answered INTERNAL, nobody is asked", "tsp", "issuer")),
        ("fault switch", "a fault switch on VerifyAccount (tsp → issuer): answered INTERNAL, nobody is asked"),
    ),
    "a call that was disturbed and answered": (
        (aside("", TWICE),),
        ("merchant", "the merchant: could not be reached, or could not answer"),
    ),
    "somebody who asks himself": (
        (aside("UNAVAILABLE", "", "merchant", "merchant"),) * 3,
        ("merchant", "the merchant, asked RequestCryptogram: could not be reached, or could not answer"),
    ),
}


@pytest.mark.parametrize("story", BLAMED)
def test_before_step_2_whoever_did_not_answer_the_merchant_is_to_blame(story: str) -> None:
    beside, (service, told) = BLAMED[story]
    assert verdict_of(failed(*beside)) == (1, service, "", 0, f"step 1: {told}")
    assert verdict_of(replace(failed(*beside), asides=beside * 2)) == verdict_of(failed(*beside))


def test_once_step_2_was_taken_no_call_before_it_is_to_blame() -> None:
    steps = (step(1, "UNAVAILABLE"), step(2, "UNAVAILABLE"))
    verdict = verdict_of(Trace(ID, steps, (), (DEAD,)))
    assert verdict and (verdict.step, verdict.service) == (2, "acquirer")
    assert verdict_of(replace(answered("00"), asides=(DEAD,))) == verdict_of(answered("00"))


NOTED = {
    aside("UNAVAILABLE"): "the tsp, asked RequestCryptogram: could not be reached, or could not answer",
    aside("UNAVAILABLE", LOST): f"by a fault switch on RequestCryptogram: {LOST}",
    aside("", TWICE): f"by a fault switch on RequestCryptogram: {TWICE}",
}


@pytest.mark.parametrize(("beside", "noted"), NOTED.items(), ids=NOTED.values())
def test_every_form_of_the_trace_says_what_became_of_the_call(beside: Aside, noted: str) -> None:
    trace = replace(answered("00"), asides=(beside,))
    assert [row.note for row in rows(trace)] == [noted] + [""] * 8
    assert noted in plain(trace)
    assert noted in mermaid(trace).replace("<br/>", " ")
    assert noted in " ".join(re.sub("<[^>]*>", " ", document(trace)).split())
    assert Trace.from_json(trace.to_json()) == replace(trace, steps=list(trace.steps), missing=[], asides=[beside])


def test_however_many_there_are_a_few_are_told_of() -> None:
    [note] = {row.note for row in rows(replace(failed(), asides=[aside("", TWICE)] * 50)) if row.step.number == 1}
    assert note.count("fault switch") == 3


def test_a_document_of_another_version_is_read() -> None:
    told = json.loads(failed(DEAD).to_json())
    told["asides"][0]["of_tomorrow"] = 1
    assert Trace.from_json(json.dumps(told)).asides == [DEAD]
    del told["asides"]
    assert Trace.from_json(json.dumps(told)).asides == []
