"""The page of an authorisation that is known in part: who may have seen the PAN, and spans of anybody's making."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from console_visit import browser_at
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from page_words import words
from told import asked, trace_id

from cardnet.console.site import Console
from cardnet.traces.archive import Archive


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    """A browser at a console that knows of one call, which failed: the network asked the issuer."""
    archive, data = Archive(), asked(8)
    span = data.resource_spans[0].scope_spans[0].spans[0]
    span.name, span.status.code = "cardnet.cde.v1.Issuer/Authorise", Status.STATUS_CODE_ERROR
    told = {"request.step": "5", "request.fields": json.dumps({"pan": "••••1111", "note": "\ud800"})}
    for name, value in told.items():
        span.attributes.add(key=f"cardnet.{name}").value.string_value = value
    await archive.take(data)
    async with browser_at(Console(archive)) as browser:
        yield browser


async def test_of_who_was_sent_the_pan_it_says_that_its_arrival_is_not_known(browser: httpx.AsyncClient) -> None:
    said = words((await browser.get(f"/authorisations/{trace_id(8)}")).text)
    assert "network ● saw it" in said and "issuer ? sent to the issuer, arrival not recorded" in said
    assert "acquirer ? no record of it, and others are missing" in said  # the caller that asked the network


async def test_half_a_character_which_cannot_be_written_spoils_no_file(browser: httpx.AsyncClient) -> None:
    for ending in ("json", "svg", "mmd", "otlp.json"):
        assert (await browser.get(f"/authorisations/{trace_id(8)}.{ending}")).status_code == 200, ending
