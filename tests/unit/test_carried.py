# ruff: noqa: ASYNC240 - a test may wait for a disk
"""What spans carry as messages is read as what they carry as text, and no card number gets through with them."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from copy import deepcopy as copy
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
from patience import patient
from payment_spans import Gathered, checkout, number, sent, submission

from cardnet.cde.v1.token_vault_pb2 import DetokeniseResponse
from cardnet.span import BRIEF, Ended
from cardnet.testing import LocalNetwork
from cardnet.traces import collector as collector_module
from cardnet.traces.archive import Archive
from cardnet.traces.carried import LONG_BYTES, fields_of, told
from cardnet.traces.collector import Collector
from cardnet.traces.masking import may_hold_card_number
from cardnet.traces.otlp_json import otlp_json
from cardnet.v1.acquirer_pb2 import SubmitPaymentRequest
from cardnet.v1.payment_pb2 import MerchantData, TokenData

PAN = "4111111111111111"
CALL = "cardnet.v1.Acquirer/SubmitPayment"


async def archive_of(*came: TracesData) -> Archive:
    archive = Archive()
    for data in came:
        await archive.take(data)
    return archive


async def both(ended: Sequence[Ended]) -> tuple[Archive, Archive]:
    """What the collector knows when it is told messages, and when it is told text."""
    return await archive_of(await sent("merchant", ended, BRIEF)), await archive_of(await sent("merchant", ended))


async def test_a_trace_is_the_same_whether_messages_or_text_came() -> None:
    brief, text = await both([submission(1, server=False), checkout(1)])
    assert brief.find_now(number(1)) == text.find_now(number(1))
    assert brief.spans(number(1)) == text.spans(number(1))
    assert [step.fields["payment_token"] for step in brief.find_now(number(1)).steps if step.number == 2] == [
        "••••0483"
    ]


async def test_messages_take_less_room_than_text() -> None:
    brief, text = await both([submission(1, server=False), checkout(1)])
    assert brief.size < text.size


async def test_who_is_sent_the_spans_on_reads_text() -> None:
    calls = [submission(1, server=False), checkout(1)]
    brief, text = await sent("merchant", calls, BRIEF), await sent("merchant", calls)
    assert TracesData.FromString(told(brief)) == text


def foreign(value: dict[str, Any], name: str = CALL) -> TracesData:
    """A span that says it is of a step, with anything as its message."""
    span = Span(trace_id=bytes.fromhex(number(1)), span_id=b"12345678", name=name)
    span.attributes.add(key="cardnet.request.step").value.string_value = "2"
    span.attributes.add(key="cardnet.request.message", value=value)
    data = TracesData()
    data.resource_spans.add().scope_spans.add().spans.append(span)
    return data


@pytest.mark.parametrize(
    "message",
    [
        SubmitPaymentRequest(token_data=TokenData(payment_token=PAN)),
        SubmitPaymentRequest(token_data=TokenData(token_expiry=PAN)),
        SubmitPaymentRequest(merchant=MerchantData(merchant_name=f"card {PAN}")),
        SubmitPaymentRequest(merchant=MerchantData(merchant_name="4111 1111 1111 1111")),
        SubmitPaymentRequest(amount_minor=int(PAN)),
        SubmitPaymentRequest(amount_minor=-int(PAN)),
    ],
    ids=["secret", "other field", "within a text", "in groups", "whole number", "below zero"],
)
@pytest.mark.parametrize("ours", [True, False])
async def test_a_card_number_in_a_message_is_masked_wherever_it_is_read(
    message: SubmitPaymentRequest, ours: bool
) -> None:
    onward, archive = Gathered(), Archive()
    collector = Collector([onward], archive)  # type: ignore[list-item]
    await collector.export(foreign({"bytes_value": message.SerializeToString()}).SerializeToString(), ours=ours)
    await asyncio.gather(*(outbox.drained() for outbox in collector._outboxes))
    sent_on = otlp_json(TracesData.FromString(onward.data[0]))
    for text in (sent_on, archive.find_now(number(1)).to_json(), otlp_json(archive.spans(number(1)))):
        assert PAN not in text.replace(" ", "") and "1111" in text


async def test_no_number_in_the_message_of_a_stranger_is_kept(tmp_path: Path) -> None:
    archive = Archive()
    await archive.keep_in(tmp_path / "traces.db")
    messages = [SubmitPaymentRequest(amount_minor=sign * int(PAN)).SerializeToString() for sign in (1, -1)]
    for message in messages:
        await Collector(archive=archive).export(foreign({"bytes_value": message}).SerializeToString(), ours=False)
    await archive.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not any(message[1:] in kept for message in messages)
    assert kept.count("••••1111".encode()) >= len(messages)


ESCAPED = "".join(f"\\u00{ord(digit):x}" for digit in PAN)


HIDDEN = SubmitPaymentRequest(merchant=MerchantData(merchant_name=f"\x10{PAN}")).SerializeToString()
"""JSON writes the character before the number with digits, so that there seem to be too many."""


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        ({"string_value": f'{{"merchant_name": "{ESCAPED}"}}'}, False),
        ({"string_value": f'{{"{ESCAPED}": "1"}}'}, False),
        ({"string_value": f'{{"merchant_name": ["{ESCAPED}"]}}'}, False),
        ({"string_value": '{"merchant_name": "4111\\u00201111\\u00201111\\u00201111"}'}, False),
        ({"string_value": f'{{"merchant_name": "{ESCAPED}", "merchant_name": "Shop"}}'}, False),
        ({"string_value": f'["{ESCAPED}"]'}, False),
        ({"string_value": f'{{"merchant_name": "{ESCAPED}"'}, False),
        ({"string_value": f'\ufeff{{"merchant_name": "{ESCAPED}"}}'}, False),
        ({"string_value": '["4111\\u002D1111\\u00201111\\u002d1111"]'}, False),
        ({"string_value": '{"merchant_name": 4.111111111111111e15}'}, False),
        ({"string_value": '{"merchant_name": 4.111111111111111e18}'}, False),
        ({"string_value": "[4.111111111111111E+15]"}, False),
        ({"bytes_value": HIDDEN}, False),
        ({"bytes_value": HIDDEN}, True),
    ],
    ids=[
        "digits",
        "name",
        "list",
        "spaces",
        "name twice",
        "no object",
        "broken",
        "byte order mark",
        "hyphens",
        "exponent",
        "large exponent",
        "exponent in no object",
        "control character",
        "ours",
    ],
)
async def test_a_card_number_that_json_hides_is_masked_before_it_is_kept(
    value: dict[str, Any], ours: bool, tmp_path: Path
) -> None:
    onward, archive = Gathered(), Archive()
    await archive.keep_in(tmp_path / "traces.db")
    collector, data = Collector([onward], archive), foreign(value)  # type: ignore[list-item]
    if "string_value" in value:
        data.resource_spans[0].scope_spans[0].spans[0].attributes[1].key = "cardnet.request.fields"
    await collector.export(data.SerializeToString(), ours=ours)
    await asyncio.gather(*(outbox.drained() for outbox in collector._outboxes))
    shown = [archive.find_now(number(1)).to_json(), otlp_json(archive.spans(number(1)))]
    await archive.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir()).decode("latin-1")
    for text in (*shown, onward.data[0].decode("latin-1"), kept):
        assert PAN not in "".join(filter(str.isalnum, text))
        assert "\\u00" not in text.replace("\\u0010", "").replace("\\u2022", "")
    assert "••••1111".encode().decode("latin-1") in kept


@pytest.mark.parametrize(
    "value",
    ['{ "a":1, "b": "\\u0041" }', '{"a": "\\u0034\\u0031"}', "[4.111111111111112e18, 1.5e3]", "no JSON", "[1]", 7],
)
async def test_fields_of_strangers_without_a_card_number_are_kept_as_they_came(value: str | int) -> None:
    data = foreign({"string_value": value} if isinstance(value, str) else {"int_value": value})
    [came] = data.resource_spans[0].scope_spans[0].spans
    came.attributes[1].key = "cardnet.request.fields"
    archive = Archive()
    await Collector(archive=archive).export(data.SerializeToString(), ours=False)
    [kept] = archive.spans(number(1)).resource_spans[0].scope_spans[0].spans
    assert kept == came


@pytest.mark.parametrize(("size", "beside"), [(1, False), (LONG_BYTES, True)])
async def test_many_messages_of_strangers_are_told_beside_the_loop(size: int, beside: bool, monkeypatch) -> None:
    loops, worked = threading.get_ident(), []

    def watched(work: Callable[[TracesData], Any]) -> Callable[[TracesData], Any]:
        def watch(data: TracesData) -> Any:
            worked.append(threading.get_ident() != loops)
            return work(data)

        return watch

    for name in ("tell_strangers", "told"):
        monkeypatch.setattr(collector_module, name, watched(getattr(collector_module, name)))
    data = foreign({"bytes_value": b""}, name="n" * size).SerializeToString()
    await Collector([Gathered()]).export(data, ours=False)  # type: ignore[list-item]
    assert worked == [beside, beside]


async def test_a_message_of_many_values_is_read_as_far_as_anybody_reads() -> None:
    checks = DetokeniseResponse(controls_passed=[1] * 10_000)
    many = foreign({"bytes_value": checks.SerializeToString()}, name="cardnet.cde.v1.TokenVault/Detokenise")
    span = many.resource_spans[0].scope_spans[0].spans[0]
    for attribute, key in zip(span.attributes, ("response.step", "response.message"), strict=True):
        attribute.key = f"cardnet.{key}"
    archive = await archive_of(many)
    assert len(archive.find_now(number(1)).steps[0].fields["controls_passed"]) < 1_000
    span.attributes[1].value.bytes_value *= 2
    assert fields_of(span, "response") == {}


@pytest.mark.parametrize(
    "data",
    [
        foreign({"bytes_value": b"\xff\xff"}),
        foreign({"bytes_value": b"\x0a\xff\xff\xff\xff\x7f"}),
        foreign({"bytes_value": b"\x0a\x02\xff\xfe"}),
        foreign({"string_value": "no message"}),
        foreign({"bytes_value": b""}),
        foreign({"bytes_value": b"\x0a\x01x"}, name="cardnet.v1.Acquirer/Nothing"),
        foreign({"bytes_value": b"\x0a\x01x"}, name="grpc.health.v1.Health/Check"),
        foreign({"bytes_value": b"\x0a\x01x"}, name=""),
    ],
)
async def test_what_is_no_message_has_no_fields_and_costs_no_other_its_trace(data: TracesData) -> None:
    archive = await archive_of(data, await sent("merchant", [submission(1, server=False), checkout(1)], BRIEF))
    assert [step.number for step in archive.find_now(number(1)).steps] == [1, 2, 9]
    assert archive.spans(number(1)) and told(copy(data))


async def test_a_value_that_no_version_of_ours_knows_is_shown_as_its_number() -> None:
    archive = await archive_of(foreign({"bytes_value": SubmitPaymentRequest(pos_entry_mode=99).SerializeToString()}))
    assert archive.find_now(number(1)).steps[0].fields == {"pos_entry_mode": "99"}


async def test_spans_of_payments_need_no_closer_look() -> None:
    frozen_at = "2026-01-15T09:00:00Z"
    async with LocalNetwork(in_process=True, seed="1", frozen_at=frozen_at, settings=patient()) as network:
        payment = await network.checkout(await network.save_card("approved"), "12.40 USD")
        archive = network.collector.archive
        spans = [data for _, data in archive._traces[payment.trace.trace_id].spans]
    assert len(spans) >= 10 and not any(map(may_hold_card_number, spans))
    # Checkout's, too, where an rrn of twelve digits meets the next field's tag, which is one: it checks as none.
    assert sum(b"cardnet.request.message" in span for span in spans) == 5
