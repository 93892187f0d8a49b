"""Every hop of a payment is disturbed in every way, and the issuer's account says that nobody paid twice."""

import itertools
import re
from contextlib import suppress

import pytest
import pytest_asyncio
from leap import leaping
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from patience import DISTURBED, patient
from shopper import forty_seconds_pass, new_shopper
from waiting import until

from cardnet.cli.terminal import Terminal
from cardnet.errors import Fault, InProgress, InvalidField, NotFound, Unavailable
from cardnet.faulty import Faulty
from cardnet.response_code import ResponseCode as Code
from cardnet.steps import STEPS
from cardnet.testing import LocalNetwork
from cardnet.traces import drawing
from cardnet.traces.checks import UNTOLD, checks_of
from cardnet.traces.picture import plain, who_may_have_seen_the_pan, who_saw_the_pan
from cardnet.traces.verdict import verdict_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOPS = ("merchant-acquirer", "merchant-tsp", "acquirer-network", "network-tsp", "network-issuer")
WAYS = (
    {"latency_ms": 100},
    {"latency_ms": 60_000},  # longer than anybody waits
    {"drop": "request"},
    {"drop": "answer"},
    {"duplicate": True},
    {"error": "UNAVAILABLE"},
    {"error": "INTERNAL"},
    {"error": "RESOURCE_EXHAUSTED"},
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def disturbed():
    with leaping():
        async with LocalNetwork(in_process=True, faults=True, settings=DISTURBED) as network:
            yield network


@pytest_asyncio.fixture(loop_scope="module")
async def network(disturbed):
    yield disturbed
    disturbed.faults.clear()


def shown(part):
    return part if isinstance(part, str) else " ".join(map(str, *part.items()))


@pytest.mark.parametrize(("hop", "way"), list(itertools.product(HOPS, WAYS)), ids=shown)
async def test_money_moves_once_or_not_at_all_whatever_a_hop_does(network, hop, way):
    shopper = await new_shopper(network)
    switch = network.faults.set(hop, **way, times=1)

    key = f"disturbed-{shopper.on_file.id}"
    answer = await shopper.pay(key)

    assert [found.left for found in network.faults.switches if found.id == switch.id] == [0], "nobody was disturbed"
    network.faults.clear()

    async def known():
        nonlocal answer
        if isinstance(answer, Fault):
            await forty_seconds_pass(network)
            answer = await shopper.pay(key)
        return not isinstance(answer, InProgress)

    await until(known, "the shop knows what became of it")
    await shopper.stands(0 if isinstance(answer, Fault) or not answer.approved else 1)


async def test_a_switch_disturbs_as_many_calls_as_it_says(network):
    shopper = await new_shopper(network)
    network.faults.set("network-issuer", error="UNAVAILABLE", call="Authorise", times=2)

    answers = [(await shopper.pay(f"counted-{number}")).response_code for number in range(4)]

    assert answers == [Code.ISSUER_UNAVAILABLE, Code.ISSUER_UNAVAILABLE, Code.APPROVED, Code.APPROVED]


async def test_a_lost_answer_shows_in_the_trace_and_the_issuer_decided_nonetheless(network):
    shopper = await new_shopper(network)
    network.faults.set("network-issuer", drop="answer", call="Authorise", times=1)

    payment = await network.checkout(shopper.on_file, "12.50 USD")

    assert payment.response_code is Code.ISSUER_UNAVAILABLE
    calls = {(sender, span.name, span.status.code): noted(span) for sender, span in spans_of(network, payment)}
    assert calls["network", "cardnet.cde.v1.Issuer/Authorise", Status.STATUS_CODE_ERROR] == ["the answer is lost"]
    assert calls["issuer", "cardnet.cde.v1.Issuer/Authorise", Status.STATUS_CODE_UNSET] == []
    assert {step.number: step.disturbed for step in payment.trace.steps if step.disturbed} == {5: "the answer is lost"}
    assert "by a fault switch: the answer is lost" in plain(payment.trace).split(" 6 issuer")[0]
    assert "by a fault switch: the answer is lost" in written(drawing.document(payment.trace))
    # The hold is given back, by calls that are no part of the payment's trace.
    await shopper.stands(0)
    made = {span.name.rpartition("/")[2] for _, span in spans_of(network, payment)}
    assert made == {*(step.call for step in STEPS), "RequestCryptogram"}


async def test_a_payment_without_an_answer_leads_to_its_trace(network):
    shopper = await new_shopper(network)
    network.faults.set("acquirer-network", error="UNAVAILABLE", times=1)

    with pytest.raises(Unavailable) as unanswered:
        await network.checkout(shopper.on_file, "12.50 USD")

    trace = await network.trace(unanswered.value.trace_id)
    assert trace.numbers() == [1, 2, 3]
    assert {step.number: step.disturbed for step in trace.steps if step.disturbed} == {
        3: "answered UNAVAILABLE, nobody is asked"
    }


async def test_a_disturbed_step_4_says_so_though_it_was_answered(network):
    shopper = await new_shopper(network)
    network.faults.set("network-tsp", duplicate=True, times=1)

    payment = await network.checkout(shopper.on_file, "12.50 USD")

    assert {step.number: step.disturbed for step in payment.trace.steps if step.disturbed} == {
        4: "each request arrives twice"
    }


@pytest.mark.parametrize(
    ("way", "words"),
    [({"duplicate": True}, "each request arrives twice"), ({"latency_ms": 10}, "each request arrives 10 ms later")],
)
async def test_a_disturbed_call_before_step_2_says_so_though_it_was_answered(network, way, words):
    shopper = await new_shopper(network)
    network.faults.set("merchant-tsp", **way, times=1)

    payment = await network.checkout(shopper.on_file, "12.50 USD")

    assert payment.approved and payment.verdict.service == "issuer"
    [aside] = payment.trace.asides
    assert (aside.caller, aside.service, aside.call, aside.fault) == ("merchant", "tsp", "RequestCryptogram", "")
    told = f"by a fault switch on RequestCryptogram: {words}"
    assert told in plain(payment.trace).split(" 2 merchant")[0]
    assert told in written(drawing.document(payment.trace))


async def test_an_answer_that_was_lost_is_not_said_to_have_shown_the_pan_to_nobody(network, capsys):
    shopper = await new_shopper(network)
    network.faults.set("network-tsp", drop="answer", times=1)

    payment = await network.checkout(shopper.on_file, "12.50 USD")

    Terminal().pan_line(payment.trace)
    assert capsys.readouterr().out == (
        "PAN seen by: not known   never by: merchant, acquirer, network   the tsp's answer was not recorded\n"
    )
    assert "PAN seen by: not known; never by: merchant, acquirer, network; the tsp's" in plain(payment.trace)
    assert checks_of(payment.trace) == [UNTOLD]


LOST = {"drop": "answer"}, "the answer is lost"
UNSENT = {"drop": "request"}, "the request does not arrive"
REFUSED = {"error": "INTERNAL"}, "answered INTERNAL, nobody is asked"
CRYPTOGRAM = "step 1: a fault switch on RequestCryptogram (merchant → tsp): {}"
TOLD = [
    # hop, what is done to it, the verdict's service and reason, who saw the PAN
    ("merchant-tsp", *LOST, "fault switch", CRYPTOGRAM, ""),
    ("merchant-tsp", *UNSENT, "fault switch", CRYPTOGRAM, ""),
    ("merchant-tsp", *REFUSED, "fault switch", CRYPTOGRAM, ""),
    (
        "merchant-acquirer",
        *LOST,
        "fault switch",
        "step 2: a fault switch: {}, though the issuer approved in step 6",
        "network tsp issuer",
    ),
    ("merchant-acquirer", *UNSENT, "fault switch", "step 2: a fault switch: {}", ""),
    (
        "acquirer-network",
        *LOST,
        "fault switch",
        "step 3: a fault switch: {}, though the issuer approved in step 6",
        "network tsp issuer",
    ),
    ("acquirer-network", *REFUSED, "fault switch", "step 3: a fault switch: {}", ""),
    ("network-tsp", *LOST, "network", "in place of the token service provider (step 4: a fault switch: {})", ""),
    ("network-tsp", *REFUSED, "network", "in place of the token service provider (step 4: a fault switch: {})", ""),
    (
        "network-issuer",
        *LOST,
        "network",
        "in place of the issuer (step 5: a fault switch: {}), though the issuer approved in step 6",
        "network tsp issuer",
    ),
    ("network-issuer", *UNSENT, "network", "in place of the issuer (step 5: a fault switch: {})", "network tsp"),
]


@pytest.mark.parametrize(("hop", "way", "words", "service", "reason", "saw"), TOLD)
async def test_a_trace_blames_the_switch_and_nobody_else(network, hop, way, words, service, reason, saw):
    shopper = await new_shopper(network)
    network.faults.set(hop, **way, times=1)
    trace_id = f"{TOLD.index((hop, way, words, service, reason, saw)) + 1:032x}"

    with suppress(Fault):
        await network.checkout(shopper.on_file, "12.50 USD", traceparent=f"00-{trace_id}-b7ad6b7169203331-01")

    async def settled():
        entries = network.collector.archive.entries()
        return next((entry for entry in entries if entry.trace_id == trace_id and entry.complete), None)

    entry = await until(settled, "the trace is complete, and its line says so")
    trace = network.collector.archive.find_now(trace_id)
    verdict = verdict_of(trace)
    assert trace.missing == []
    assert (entry.outcome == "unanswered") == (service == "fault switch")
    assert verdict.service == entry.decided_by == service
    assert verdict.reason.endswith(reason.format(words))
    assert " ".join(who_saw_the_pan(trace)[0]) == saw
    assert who_may_have_seen_the_pan(trace).keys() == ({"tsp"} if (hop, way) == ("network-tsp", LOST[0]) else set())


def written(svg):
    """The words of a picture, in its order."""
    return " ".join(re.sub(r"<[^>]*>", " ", svg).split())


def noted(span):
    return [one.value.string_value for one in span.attributes if one.key == "cardnet.fault"]


def spans_of(network, payment):
    for resource in network.collector.archive.spans(payment.trace.trace_id).resource_spans:
        sender = resource.resource.attributes[0].value.string_value
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield sender, span


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"hop": "issuer-network", "duplicate": True}, "hop: must be one of merchant-acquirer"),
        ({"duplicate": True, "drop": "answer"}, "kind: must be exactly one of"),
        ({}, "kind: must be exactly one of"),
        ({"drop": "both"}, "drop: must be"),
        ({"latency_ms": 60_001}, "latency_ms: must be 1 to 60,000"),
        ({"latency_ms": -1}, "latency_ms: must be 1 to 60,000"),
        ({"error": "OK"}, "error: must be a gRPC status: CANCELLED"),
        ({"duplicate": True, "times": -1}, "times: must be 0 to 10,000"),
        ({"duplicate": True, "call": "Checkout"}, "call: must be one of Authorise"),
    ],
    ids=str,
)
async def test_a_switch_that_cannot_be_is_refused_by_field_and_rule(network, wrong, said):
    with pytest.raises(InvalidField, match=said):
        network.faults.set(**{"hop": "network-issuer", **wrong})
    assert network.faults.switches == []


async def test_a_switch_is_taken_back_once(network):
    switch = network.faults.set("network-issuer", duplicate=True)
    network.faults.clear(switch)
    with pytest.raises(NotFound):
        network.faults.clear(switch)


async def test_a_network_that_was_not_started_to_be_disturbed_is_told_of_no_switches():
    async with LocalNetwork(in_process=True, settings=patient()) as network:
        with pytest.raises(AssertionError, match="faults=True"):
            network.faults.set("network-issuer", duplicate=True)
        services = network._running._services.values()
        assert not any(isinstance(channel._link, Faulty) for service in services for channel in service._channels)
