"""A whole network on this machine: five services, their store and a collector, for one test or one demo."""

import os
import tempfile
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

import grpc.aio

from cardnet import collector as collecting
from cardnet.card import luhn_digit
from cardnet.cardholder import Cardholder, CardOnFile
from cardnet.cde.v1.issuer_pb2 import GetAccountRequest, GetAccountResponse, OpenAccountRequest
from cardnet.cde.v1.issuer_pb2_grpc import IssuerOperatorStub
from cardnet.client import Channel
from cardnet.embedded_store import EmbeddedStore
from cardnet.env import Env
from cardnet.identity import ANYONE, OPERATOR
from cardnet.money import Currency, Money
from cardnet.otlp import OtlpSink
from cardnet.response_code import ResponseCode
from cardnet.roster import PostedRoster
from cardnet.steps import SERVICES
from cardnet.test_cards import TestCard, test_card
from cardnet.testing.clock import NetworkClock
from cardnet.testing.payment import Payment
from cardnet.testing.ports import Ports
from cardnet.testing.processes import ServiceProcess
from cardnet.testing.running import InProcess, Processes, Running, Tap
from cardnet.testing.wiring import Wiring
from cardnet.traced import Trace
from cardnet.v1.merchant_pb2 import CheckoutResponse

S = TypeVar("S")

CALL_TIMEOUT_S = 10.0
"""How long the kit waits for an answer."""

TRACE_TIMEOUT_S = 5.0
"""How long the kit waits for a trace to be complete; then it shows what there is."""


class LocalNetwork:
    """A network of your own, from `async with` to the end of the block.

    in_process: all five services in this process, two to three times faster; else a process each. seed, frozen_at: the
    same seed and time give the same tokens, identifiers, answers and traces. clock: "simulated" for one that runs and
    can be moved on, as a frozen one can. data_dir: keeps accounts and tokens; else all is gone in the end.
    port_base: the merchant's port, the others follow; 0 for any free ones. collector_port: where OTLP is received; 0
    for any. redis_urls: a store of your own for some or all services.
    settings: more settings of a service, such as {"tsp": {"cryptogram_validation": "issuer"}}.
    fronts: in one process, whether the services can be reached from outside as well. tap: in one process, looks at what
    travels between the services, or disturbs it. roster: whether commands such as `cardnet tokens` find this network.
    """

    def __init__(
        self,
        *,
        in_process: bool = False,
        seed: str = "",
        frozen_at: str = "",
        clock: Literal["real", "simulated"] = "real",
        data_dir: Path | None = None,
        port_base: int = 0,
        collector_port: int = 0,
        redis_urls: Mapping[str, str] | None = None,
        settings: Mapping[str, Mapping[str, str]] | None = None,
        fronts: bool = False,
        tap: Tap | None = None,
        roster: bool = False,
    ) -> None:
        self._in_process = in_process
        self._seed, self._frozen_at = seed, frozen_at
        self._clock = NetworkClock(clock, frozen_at)
        self._data_dir = data_dir
        self._port_base, self._collector_port = port_base, collector_port
        self._redis_urls = dict(redis_urls or {})
        self._settings = {name: dict(values) for name, values in (settings or {}).items()}
        self._fronts, self._tap, self._roster = fronts, tap, roster
        self._env = Env.of("kit", seed, frozen_at)
        self._ports = Ports()
        self._channels: dict[tuple[str, str], Channel] = {}
        self._outside: list[OtlpSink] = []
        self.collector = collecting.Collector()
        self.store: EmbeddedStore | None = None
        """The embedded store, unless every service has a store of its own."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything and wait until all five services serve. A Fault says what does not start, and why."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything; nothing is left behind but data_dir."""
        if hasattr(self, "_posted"):
            self._posted.take_down()
        for channel in self._channels.values():
            await channel.close()
        if hasattr(self, "_running"):
            await self._running.stop()
        for sink in self._outside:
            await sink.close()
        if hasattr(self, "_collecting"):
            await self._collecting.stop(0)
        if self.store:
            self.store.stop()
        self._ports.release()
        if hasattr(self, "_folder"):
            self._folder.cleanup()

    # What a cardholder does.

    async def save_card(self, card: TestCard | str, customer: str = "customer-1") -> CardOnFile:
        """Put a card on file at the merchant. card: a test card, or the name of one. CardNotSaved if it is refused."""
        card = test_card(card) if isinstance(card, str) else card
        return await self.cardholder(customer).save_card(card.pan, card.expiry)

    async def checkout(
        self, card: CardOnFile, amount: Money | str, *, key: str | None = None, traceparent: str | None = None
    ) -> Payment:
        """Pay with a card on file. amount: such as "12.40 USD". key: the idempotency key, a fresh one if not given."""
        money = Money.parse(amount) if isinstance(amount, str) else amount
        started = time.monotonic()
        answer = await self.cardholder().pay(card.id, money, key or self._env.rng.hex(8), traceparent)
        return await self.payment(answer, time.monotonic() - started)

    def cardholder(self, customer: str = "customer-1") -> Cardholder:
        """A customer, for calls that the kit has no method for."""
        return Cardholder(self.channel("merchant"), self.channel("tsp"), customer)

    # What an operator does.

    async def open_account(self, balance: str = "100.00 USD", *, status: str = "OPEN") -> TestCard:
        """Open an account with a new card. balance: what may be spent. status: as in TestCard."""
        digits = f"99990000{self._env.rng.digits(7)}"
        card = TestCard(
            name="account",
            pan=digits + luhn_digit(digits),
            expiry="3011",
            balance=Money.parse(balance),
            outcome=ResponseCode.APPROVED,
            note="opened by a test",
        )
        request = OpenAccountRequest(
            pan=card.pan,
            pan_expiry=card.expiry,
            balance_minor=card.balance.minor,
            currency=card.balance.currency.number,
            status=f"ACCOUNT_STATUS_{status}",
        )
        opened = await self.stub(IssuerOperatorStub, "issuer", OPERATOR).OpenAccount(request)
        if opened.response_code != ResponseCode.APPROVED:
            # An account of that number was kept by data_dir, with another balance: draw another.
            return await self.open_account(balance, status=status)
        return card

    async def account(self, card: TestCard) -> GetAccountResponse:
        """How the account behind a card stands."""
        operator = self.stub(IssuerOperatorStub, "issuer", OPERATOR)
        account: GetAccountResponse = await operator.GetAccount(GetAccountRequest(pan=card.pan))
        return account

    async def balance(self, card: TestCard) -> Money:
        """What may be spent with a card now."""
        account = await self.account(card)
        return Money(account.available_minor, Currency.of(account.currency))

    async def trace(self, trace_id: str) -> Trace:
        """A trace, by its identifier, once it is complete."""
        return await self.collector.find(trace_id, TRACE_TIMEOUT_S)

    async def payment(self, answer: CheckoutResponse, elapsed_s: float = 0.0) -> Payment:
        """What a test asserts about an answer of the merchant."""
        return Payment(
            ResponseCode(answer.response_code),
            answer.notice,
            answer.auth_code,
            answer.rrn,
            answer.pan_last_four,
            await self.trace(answer.trace_id),
            elapsed_s,
        )

    # What a test of the network itself does.

    @property
    def addresses(self) -> Mapping[str, str]:
        """Each service's host:port."""
        return self._wiring.addresses

    @property
    def collector_address(self) -> str:
        """Where OTLP is received and traces are asked for: host:port."""
        return self._collector_address

    @property
    def processes(self) -> Mapping[str, ServiceProcess]:
        """The services' processes, to be killed, paused and started again. Empty in one process."""
        return self._running.processes if isinstance(self._running, Processes) else {}

    def advance(self, by: timedelta) -> None:
        """Move the clock of all services on, at once. ValueError if that is not forwards."""
        self._clock.advance(by)

    def stub(self, stub: type[S], service: str, as_: str = ANYONE) -> S:
        """A generated stub for a service, asking as somebody: "merchant", "network", "operator" …"""
        return stub(self.channel(service, as_))  # type: ignore[call-arg]

    def channel(self, service: str, as_: str = ANYONE) -> Channel:
        """A channel to a service, asking as somebody."""
        if (service, as_) not in self._channels:
            credential = self._wiring.credentials.get(as_)
            link = self._running.link(service)
            channel = Channel(link, self._env, credential=credential, timeout_s=CALL_TIMEOUT_S)
            self._channels[service, as_] = channel
        return self._channels[service, as_]

    async def _start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cardnet-")
        if set(self._redis_urls) != set(SERVICES):
            self.store = EmbeddedStore.start(self._data_dir, SERVICES)
            self._redis_urls = {name: self.store.url(name) for name in SERVICES} | self._redis_urls
        self._clock.prepare(Path(self._folder.name), self._data_dir)
        self._collecting: grpc.aio.Server
        self._collecting, self._collector_address = await self._listen_for_spans()
        self._wiring = Wiring(
            addresses=self._take_ports(),
            store_urls=self._redis_urls,
            collector=self._collector_address,
            seed=self._seed,
            frozen_at=self._frozen_at,
            clock_file=self._clock.file,
            extra=self._extra(),
        )
        self._running: Running = self._chosen()
        await self._running.start()
        if self._roster:
            self._posted = PostedRoster(self._wiring.roster())

    def _chosen(self) -> Running:
        if self._in_process:
            # As in the services' own processes, which read this variable themselves.
            self._outside = [
                OtlpSink(url) for url in os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").split(",") if url
            ]
            return InProcess(self._wiring, [self.collector, *self._outside], fronts=self._fronts, tap=self._tap)
        return Processes(self._wiring, Path(self._folder.name))

    async def _listen_for_spans(self) -> tuple[grpc.aio.Server, str]:
        address = self._ports.take(self._collector_port, "choose another with --otlp-port")
        server, _ = await collecting.listen(self.collector, self._env, address)
        return server, address

    def _take_ports(self) -> dict[str, str]:
        base = self._port_base
        return {name: self._ports.take(base + offset if base else 0) for offset, name in enumerate(SERVICES)}

    def _extra(self) -> dict[str, dict[str, str]]:
        extra: dict[str, dict[str, str]] = {name: {} for name in SERVICES}
        keys = self._data_dir or Path(self._folder.name)  # beside the data that they open, and for as long
        extra["issuer"]["keys_file"] = str(keys / "issuer.keys")
        extra["tsp"] |= {
            "kek_file": str(keys / "tsp.kek"),
            "kek_file_create": "1",
            "audit_file": str(keys / "tsp.audit"),
        }
        return {name: values | self._settings.get(name, {}) for name, values in extra.items()}
