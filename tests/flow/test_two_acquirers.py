"""Two acquirers over one store: the connection to the first breaks when it has sent a payment on."""

import asyncio
from collections.abc import Mapping

import pytest
from patience import patient
from shop import order
from tap import Tap

from cardnet.border import ASKED_BEFORE
from cardnet.cde.v1.issuer_pb2 import AuthoriseRequest
from cardnet.env import Env
from cardnet.identity import MERCHANT
from cardnet.testing import LocalNetwork
from cardnet.v1.merchant_pb2 import CheckoutRequest
from cardnet.v1.merchant_pb2_grpc import MerchantStub
from cardnet.wire import InProcessLink, Link
from services.acquirer.app import Config, build


class Break:
    """A tap: the first acquirer is asked, and when it has asked the network, the second is asked the same."""

    def __init__(self, tap: Tap, *, first_is_slower: bool) -> None:
        self._tap = tap
        self._first_is_slower = first_is_slower
        self.to_network: Link
        self.second: Link
        self.sent, self.answered = asyncio.Event(), asyncio.Event()
        self.firsts_end: asyncio.Task[bytes]

    def __call__(self, service: str, link: Link) -> Link:
        link = self._tap(service, link)
        if service == "network":
            self.to_network = link
            return _ToNetwork(self, link)
        return _ToAcquirer(self, link) if service == "acquirer" else link

    async def ask_network(self, link: Link, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        self.sent.set()
        if self._first_is_slower:
            await self.answered.wait()
        return await link.call(method, data, metadata, 20)

    async def ask_acquirer(self, link: Link, method: str, data: bytes, metadata: Mapping[str, str]) -> bytes:
        self.firsts_end = asyncio.ensure_future(link.call(method, data, metadata, 20))
        await self.sent.wait()
        if not self._first_is_slower:
            await asyncio.wait([self.firsts_end])
        answer = await self.second.call(method, data, {**metadata, ASKED_BEFORE: "1"}, 20)
        self.answered.set()
        return answer


class _ToNetwork:
    def __init__(self, break_: Break, link: Link) -> None:
        self._break, self._link = break_, link
        self.stream, self.close = link.stream, link.close

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:  # noqa: ARG002
        return await self._break.ask_network(self._link, method, data, metadata)


class _ToAcquirer:
    def __init__(self, break_: Break, link: Link) -> None:
        self._break, self._link = break_, link
        self.stream, self.close = link.stream, link.close

    async def call(self, method: str, data: bytes, metadata: Mapping[str, str], timeout_s: float) -> bytes:  # noqa: ARG002
        return await self._break.ask_acquirer(self._link, method, data, metadata)


@pytest.mark.parametrize("first_is_slower", [True, False])
async def test_the_second_answers_with_the_first_s_approval_and_one_hold(first_is_slower: bool) -> None:
    tap = Tap()
    break_ = Break(tap, first_is_slower=first_is_slower)
    async with LocalNetwork(in_process=True, tap=break_, settings=patient()) as network:
        assert network.store
        config = Config(redis_url=network.store.url("acquirer"), network="in this process", insecure=True)
        second = build(config, Env.of("second"), [network.collector], lambda _name, _address: break_.to_network)
        await second.start()
        break_.second = InProcessLink("acquirer", second.border, MERCHANT)
        card = await network.open_account("100.00 USD")
        on_file = await network.save_card(card)
        request = CheckoutRequest(
            idempotency_key=order(), card_on_file_id=on_file.id, amount_minor=1240, currency="840"
        )

        answer = await network.stub(MerchantStub, "merchant").Checkout(request)

        assert answer.approved
        assert await break_.firsts_end == await break_.second.call(*_last(tap, "SubmitPayment"), {}, 20)
        account = await network.account(card)
        assert (account.holds, account.held_minor) == (1, 1240)
        asked = tap.all(AuthoriseRequest)
        assert len(asked) == (2 if first_is_slower else 1)
        assert all(one.transaction == asked[0].transaction for one in asked)
        assert not tap.calls("RouteReversal")
        await second.stop()


def _last(tap: Tap, call: str) -> tuple[str, bytes]:
    exchange = tap.calls(call)[-1]
    return exchange.method, exchange.request
