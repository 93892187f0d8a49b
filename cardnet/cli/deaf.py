"""Receivers of traces that take none: whoever set one is told of it where they look."""

import asyncio

import grpc.aio

from cardnet.cli.words import warn
from cardnet.otlp import OtlpSink, receivers


async def warn_of_deaf(endpoints: str) -> None:
    """Send nothing to each receiver that a setting names, and say which of them does not even take that."""
    await asyncio.gather(*map(_try, receivers(endpoints)))


async def _try(sink: OtlpSink) -> None:
    try:
        await sink.export(b"")
    except Exception as error:  # noqa: BLE001 - whatever it dies of, the network runs
        why = error.code().name if isinstance(error, grpc.aio.AioRpcError) else type(error).__name__
        warn(f"{sink} takes no spans ({why}): until it does, those are lost to it, and payments go on")
    finally:
        await sink.close()
