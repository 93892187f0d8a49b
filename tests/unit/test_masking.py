# ruff: noqa: ASYNC240 - a test may wait for a disk
"""Card numbers in anybody's spans: masked before they are kept, shown or sent on."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
from payment_spans import number, paid

from cardnet.span import TEXT
from cardnet.traces.archive import Archive
from cardnet.traces.collector import Collector
from cardnet.traces.masking import MOST_RUNS, masked, may_hold_card_number
from cardnet.traces.otlp_json import otlp_json

PAN = "4111111111111111"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PAN, "••••1111"),
        (f"card_{PAN}x", "card_••••1111x"),
        (f'{{"pan": "{PAN}"}}', '{"pan": "••••1111"}'),
        ("4111 1111 1111 1111", "••••1111"),
        ("4111-1111-1111-1111", "••••1111"),
        ("3782 822463 10005", "••••0005"),
        ("4222222222222", "••••2222"),  # 13 digits
        ("6304000000000000000", "••••0000"),  # 19 digits
        (f"{PAN}, 5555555555554444", "••••1111, ••••4444"),
        ("on 12 05 2026 4111 1111 1111 1111 at 7", "on 12 05 2026 ••••1111 at 7"),
        ("4111 1111 1111 1111 5555 5555 5555 4444", "••••1111 ••••4444"),
        ("009999000000000483017", "••••3017"),  # one of cardnet's own within other digits
        ("4111111111111112", "4111111111111112"),  # the check digit is wrong
        ("432615000001 000002", "432615000001 000002"),
        ("a4111111111111111d61d8448eb211c8", "a4111111111111111d61d8448eb211c8"),  # a trace's identifier
        ("b411111111111111", "b411111111111111"),  # a span's
        ("f4111111111111111", "f••••1111"),  # neither
        ("4111  1111 1111 1111", "4111  1111 1111 1111"),
        ("", ""),
    ],
)
def test_a_text_keeps_the_last_four_digits_of_each_card_number_and_all_else(text: str, said: str) -> None:
    assert masked(text) == said


def everywhere() -> TracesData:
    """A card number wherever a span has room for one."""
    data = TracesData()
    resource = data.resource_spans.add(schema_url=PAN)
    resource.resource.attributes.add(key="host", value={"string_value": PAN})
    scope = resource.scope_spans.add(scope={"name": PAN})
    span = scope.spans.add(trace_id=bytes.fromhex(number(1)), span_id=b"12345678", name=f"GET /cards/{PAN}")
    span.trace_state, span.status.message = f"v={PAN}", f"no such card: {PAN}"
    span.events.add(name=PAN).attributes.add(key=PAN, value={"string_value": PAN})
    span.links.add(trace_id=b"x" * 16, span_id=b"y" * 8).attributes.add(key="k", value={"string_value": PAN})
    values: list[dict[str, Any]] = [{"string_value": PAN}, {"int_value": int(PAN)}, {"bytes_value": PAN.encode()}]
    values += [{"int_value": -int(PAN)}, {"double_value": float(PAN)}, {"double_value": -float(PAN)}]
    for value in (*values, {"array_value": {"values": values}}, {"kvlist_value": {"values": [{"key": PAN}]}}):
        span.attributes.add(key="k", value=value)
    return data


class Onward:
    """A receiver of what is sent on."""

    form = TEXT

    def __init__(self) -> None:
        self.came: list[bytes] = []

    async def export(self, spans: bytes) -> None:
        self.came.append(spans)

    async def close(self) -> None: ...


async def test_no_card_number_is_kept_or_shown_or_written_or_sent_on_wherever_it_stood(tmp_path: Path) -> None:
    archive, onward = Archive(), Onward()
    await archive.keep_in(tmp_path / "traces.db")
    collector = Collector([onward], archive)  # type: ignore[list-item]
    await collector.export(everywhere().SerializeToString())
    await collector.close()
    await archive.close()

    text = otlp_json(archive.spans(number(1)))
    assert PAN not in text and text.count("1111") == 21
    (sent,) = onward.came
    assert PAN not in otlp_json(TracesData.FromString(sent))
    assert PAN.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


CARDS = ["4222222222222", "4111111111111111", "6304000000000000000", "9999000000000"]


@pytest.mark.parametrize("card", [*CARDS, "3782 822463 10005", "4222-2222-2222-2"])
@pytest.mark.parametrize("before", ["", "1", "20", "777", "- "])
@pytest.mark.parametrize("after", ["", "2", "50", "888", " -"])
def test_no_card_number_is_passed_by_whatever_digits_it_meets(before: str, card: str, after: str) -> None:
    assert may_hold_card_number(f"\x01{before}{card}{after}\x02".encode())


def test_of_numbers_of_thirteen_digits_those_without_a_check_digit_are_passed_by() -> None:
    numbers = [f"601509000001{last}".encode() for last in range(10)]
    assert list(map(may_hold_card_number, numbers)).count(True) == 1
    (passed_by, *_) = (one for one in numbers if not may_hold_card_number(one))
    assert not may_hold_card_number(b", ".join([passed_by] * MOST_RUNS))
    assert may_hold_card_number(b", ".join([passed_by] * (MOST_RUNS + 1))), "so many are not tried one by one"


async def test_bytes_without_a_card_number_stay_as_they_are_beside_one() -> None:
    span = Span(trace_id=bytes.fromhex(number(1)), span_id=b"12345678", name=PAN)
    span.attributes.add(key="k").value.bytes_value = b"\x80\xff"
    data = TracesData()
    data.resource_spans.add().scope_spans.add().spans.append(span)
    archive = Archive()
    await archive.take(data)
    [kept] = archive.spans(number(1)).resource_spans[0].scope_spans[0].spans
    assert (kept.name, kept.attributes[0].value.bytes_value) == ("••••1111", b"\x80\xff")


async def test_spans_of_payments_are_passed_by_without_a_closer_look() -> None:
    assert not may_hold_card_number((await paid(0x0AF7651916CD43DD8448EB211C80319C)).SerializeToString())


async def test_a_long_span_is_looked_at_beside_the_loop() -> None:
    span = Span(trace_id=bytes.fromhex(number(1)), span_id=b"12345678", name="1111 " * 100_000 + f"x {PAN}")
    data, beats, ended = TracesData(), 0, asyncio.Event()
    data.resource_spans.add().scope_spans.add().spans.append(span)

    async def beat() -> None:
        nonlocal beats
        while not ended.is_set():
            await asyncio.sleep(0)
            beats += 1

    beating = asyncio.create_task(beat())
    archive = Archive()
    await archive.take(data)
    ended.set()
    await beating
    assert beats > 5 and archive.find_now(number(1)).steps == []
    assert PAN not in otlp_json(archive.spans(number(1)))
