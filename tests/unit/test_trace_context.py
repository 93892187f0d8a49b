"""The header `traceparent`, as W3C Trace Context has it."""

import pytest

from cardnet.call import TraceContext

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PLACE = f"{TRACE_ID}-{SPAN_ID}"


@pytest.mark.parametrize(
    "header",
    [
        f"00-{PLACE}-00",
        f"00-{PLACE}-01",
        f"00-{PLACE}-ff",
        f"01-{PLACE}-01",
        f"01-{PLACE}-01-",
        f"01-{PLACE}-01-future",
        f"0f-{PLACE}-03-what-the.future/WILL be",
        f"f0-{PLACE}-09",
        f"fe-{PLACE}-01-{'x' * 4000}",
    ],
)
def test_this_and_later_versions_are_read_and_this_one_is_sent_on(header: str) -> None:
    place = TraceContext.read(header)
    assert place == TraceContext(TRACE_ID, SPAN_ID)
    assert place.traceparent == f"00-{PLACE}-01"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"00-{PLACE}",
        f"00-{PLACE}-0",
        f"00-{PLACE}-01-",
        f"00-{PLACE}-01-future",
        f"00-{PLACE}-01\n",
        f"00-{PLACE}-01-\n",
        f"01-{PLACE}-0",
        f"01-{PLACE}-01future",
        f"01-{PLACE}-01.future",
        f"01-{PLACE}-xx-future",
        f"ff-{PLACE}-01",
        f"ff-{PLACE}-01-future",
        f"0F-{PLACE}-01",
        f"0-{PLACE}-01",
        f"00-{PLACE.upper()}-01",
        f"01-{'0' * 32}-{SPAN_ID}-01-future",
        f"01-{TRACE_ID}-{'0' * 16}-01-future",
        f" 00-{PLACE}-01",
    ],
)
def test_what_is_none_of_them_is_not_read(header: str) -> None:
    assert TraceContext.read(header) is None
