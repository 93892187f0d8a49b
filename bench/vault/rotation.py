"""A rotation of the data key while payments go on: how long it takes, and what the payments notice."""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from bench.usage import cpu_s
from bench.vault.house import House
from bench.vault.supply import Supply
from bench.wire import Unanswered, UnaryClient
from cardnet.cde.v1.token_operator_pb2 import KEY_PURPOSE_DATA, RotateKeyRequest
from cardnet.cde.v1.token_operator_pb2_grpc import TokenOperatorStub
from cardnet.cde.v1.token_vault_pb2 import DetokeniseRequest, DetokeniseResponse
from cardnet.identity import NETWORK, OPERATOR

PER_S = 50
"""Payments that come in a second, evenly and whatever became of those before."""


@dataclass
class Payments:
    """What became of the payments of a while."""

    failed: int = 0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def asked(self) -> int:
        """How many there were."""
        return self.failed + len(self.latencies_ms)

    def percentile_ms(self, percent: int) -> float:
        """What so many percent of the answers took at the most."""
        latencies = sorted(self.latencies_ms)
        return latencies[len(latencies) * percent // 100] if latencies else 0.0


@dataclass(frozen=True)
class Rotated:
    """What a rotation was like."""

    tokens: int
    seconds: float
    cpu_s: float
    """CPU time of the TSP's process meanwhile, payments included."""
    before: Payments
    during: Payments


async def rotate(house: House, supply: Supply, before_s: float) -> Rotated:
    """Let payments come for a while, then rotate the data key among them. before_s: how long that while is."""
    client = await house.client("/cardnet.cde.v1.TokenVault/Detokenise", DetokeniseResponse, NETWORK)
    before, _ = await _payments_during(_nothing(before_s), client, supply)
    used_s = cpu_s([house.pid])
    during, (tokens, seconds) = await _payments_during(_rotation(house), client, supply)
    used_s = cpu_s([house.pid]) - used_s
    client.close()
    return Rotated(tokens, seconds, used_s, before, during)


async def _rotation(house: House) -> tuple[int, float]:
    """How many records were brought over, and the seconds that it took."""
    operator = TokenOperatorStub(house.channel(OPERATOR))
    began, done = time.perf_counter(), 0
    async with aclosing(operator.RotateKey(RotateKeyRequest(purpose=KEY_PURPOSE_DATA))) as progress:
        async for said in progress:
            done = said.done
    return done, time.perf_counter() - began


async def _nothing(seconds: float) -> tuple[int, float]:
    await asyncio.sleep(seconds)
    return 0, seconds


async def _payments_during(
    what: Coroutine[Any, Any, tuple[int, float]], client: UnaryClient[DetokeniseResponse], supply: Supply
) -> tuple[Payments, tuple[int, float]]:
    """Have something done, and payments come from its beginning to its end."""
    payments, due = Payments(), time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        doing = tasks.create_task(what)
        while not doing.done():
            (request,) = await supply.detokenisations(1)
            due += 1 / PER_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(_pay(client, request, payments))
    return payments, doing.result()


async def _pay(client: UnaryClient[DetokeniseResponse], request: DetokeniseRequest, payments: Payments) -> None:
    began = time.perf_counter()
    try:
        answer = await client.ask(request)
    except Unanswered:
        payments.failed += 1
        return
    if answer.pan:
        payments.latencies_ms.append(1e3 * (time.perf_counter() - began))
    else:
        payments.failed += 1
