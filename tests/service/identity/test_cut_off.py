"""What is asked again when a connection breaks, and of whom: several instances behind one address."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest
import pytest_asyncio
from instances import ATTEMPTS_BEFORE, Cutting, Instance, Names
from mint import Mint
from patience import AMPLE_S, ample

from cardnet.border import Border
from cardnet.cde.v1.issuer_pb2 import ReverseRequest, ReverseResponse
from cardnet.cde.v1.issuer_pb2_grpc import IssuerServicer, add_IssuerServicer_to_server
from cardnet.certificates import Identity
from cardnet.doors import methods_of, who_calls
from cardnet.env import Env
from cardnet.errors import Unavailable
from cardnet.identity import MAY_CALL, Door
from cardnet.recorder import Recorder
from cardnet.repeats import ASKED_AGAIN
from cardnet.v1.payment_pb2 import TransactionKey
from cardnet.wire import GrpcLink

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONE = "/cardnet.cde.v1.Issuer/Authorise"
PATIENT_S = 25.0


class Kept:
    """Instances that run until the module's tests are done.

    gRPC 1.78 can crash where a server is told to stop in the moment in which a connection to it is cut off.
    """

    def __init__(self) -> None:
        self._running = []

    async def start(self, *names: str) -> list[Instance]:
        self._running += (started := [await Instance(name).start() for name in names])
        return started

    async def serve(self, border: Border) -> int:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([methods_of(border, who_calls("issuer", "cardnet.test"))])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self._running.append(server)
        return port

    async def stop(self) -> None:
        for one in self._running:
            await (one.stop() if isinstance(one, Instance) else one.stop(0))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept():
    kept = Kept()
    yield kept
    await kept.stop()


async def settled(link: GrpcLink, method: str) -> str:
    try:
        return (await link.call(method, b"", {}, PATIENT_S)).decode()
    except Unavailable as fault:
        return fault.reason


@asynccontextmanager
async def asking(address: str, as_: Identity | str = "network"):
    link = GrpcLink("issuer", address, as_)
    try:
        yield link
    finally:
        await link.close()


@pytest.mark.parametrize("method", sorted(MAY_CALL))
async def test_a_call_that_was_cut_off_is_asked_again_if_it_may_be_and_else_not(kept, method):
    [instance] = await kept.start("one")
    async with Cutting(instance, cuts=1) as cutting, asking(cutting.address) as link:
        instance.refuse = cutting.before_answering
        outcome = await settled(link, method)
    attempts = [metadata.get(ATTEMPTS_BEFORE) for _, metadata in instance.asked]
    if method in ASKED_AGAIN:
        assert (outcome, attempts) == ("one", [None, "1"])
    else:
        assert (outcome, attempts) == ("NEIGHBOUR_UNAVAILABLE", [None])


async def test_a_call_is_asked_four_times_and_no_more(kept):
    [instance] = await kept.start("one")
    async with Cutting(instance, cuts=9) as cutting, asking(cutting.address) as link:
        instance.refuse = cutting.before_answering
        assert await settled(link, ONE) == "NEIGHBOUR_UNAVAILABLE"
    assert [metadata.get(ATTEMPTS_BEFORE) for _, metadata in instance.asked] == [None, "1", "2", "3"]


@pytest.mark.parametrize("code", ["DEADLINE_EXCEEDED", "INTERNAL", "ABORTED", "RESOURCE_EXHAUSTED", "UNKNOWN"])
async def test_another_status_than_unavailable_is_an_answer(kept, code):
    [instance] = await kept.start("one")
    instance.refuse = lambda context: context.abort(grpc.StatusCode[code])
    async with asking(f"127.0.0.1:{instance.port}") as link:
        with pytest.raises(Exception, match="issuer"):
            await link.call(ONE, b"", {}, PATIENT_S)
    assert len(instance.asked) == 1


class Forgetful(IssuerServicer):
    """An issuer without a store: it says so, and notes which calls it was told come again."""

    def __init__(self, faults: int) -> None:
        self.faults, self.told = faults, []
        self.arrivals = asyncio.Queue()
        self.before_answering = None

    async def Reverse(self, _request, call):
        self.told.append(call.again)
        self.arrivals.put_nowait(None)
        if self.before_answering:
            await self.before_answering()
        if self.faults:
            self.faults -= 1
            raise Unavailable("STORE_UNAVAILABLE", "the store is away")
        return ReverseResponse(response_code="00")

    async def served(self, kept: Kept) -> str:
        border = Border(Env.of("issuer"), Door.BUSINESS, Recorder("issuer", ()))
        add_IssuerServicer_to_server(self, border)
        self.port = await kept.serve(border)
        return f"127.0.0.1:{self.port}"


REVERSAL = ReverseRequest(
    transaction=TransactionKey(
        acquirer_id="99990000001", stan="000001", transmission_time="0115090000", rrn="601509000001"
    ),
    pan="9999000000000012",
    amount_minor=1,
    currency="978",
)


async def reversed_at(address: str) -> str:
    async with asking(address) as link:
        try:
            await link.call("/cardnet.cde.v1.Issuer/Reverse", REVERSAL.SerializeToString(), {}, PATIENT_S)
        except Unavailable as fault:
            return fault.reason
    return "OK"


async def test_what_a_service_itself_calls_unavailable_is_not_asked_again(kept):
    issuer = Forgetful(faults=1)
    assert await reversed_at(await issuer.served(kept)) == "STORE_UNAVAILABLE"
    assert issuer.told == [False]


async def test_a_service_is_told_that_a_call_comes_again(kept):
    issuer = Forgetful(faults=0)
    await issuer.served(kept)
    async with Cutting(issuer, cuts=2) as cutting:
        issuer.before_answering = cutting.before_answering
        assert await reversed_at(cutting.address) == "OK"
    assert issuer.told == [False, True, True]


# Several instances.


@asynccontextmanager
async def three(kept: Kept):
    """Three instances behind one address: they, how they are reached, and a link to all of them."""
    instances = await kept.start("a", "b", "c")
    async with AsyncExitStack() as stack:
        ways = [await stack.enter_async_context(Cutting(one)) for one in instances]
        link = await stack.enter_async_context(asking("ipv4:" + ",".join(way.address for way in ways)))
        yield instances, ways, link


async def answering(link: GrpcLink, wanted: set[str], method: str = ONE) -> None:
    """Ask until just these answer, in a row: as long as the test is let run."""
    async with asyncio.timeout(AMPLE_S):
        while {await settled(link, method) for _ in range(4 * len(wanted))} != wanted:
            continue


async def test_all_instances_are_asked_in_turn(kept):
    async with three(kept) as (instances, _, link):
        await answering(link, {"a", "b", "c"})
        before = [len(one.asked) for one in instances]
        assert {await settled(link, ONE) for _ in range(30)} == {"a", "b", "c"}
        assert [len(one.asked) - earlier for one, earlier in zip(instances, before, strict=True)] == [10, 10, 10]


@pytest.mark.parametrize("method", sorted(ASKED_AGAIN))
async def test_one_of_three_is_killed_under_load_and_no_call_fails_and_it_is_asked_again_when_it_is_back(kept, method):
    async with three(kept) as (instances, ways, link):
        await answering(link, {"a", "b", "c"}, method)
        doomed, let_go = instances[1], asyncio.Event()
        doomed.refuse = lambda _context: let_go.wait()  # it holds calls that it will not answer
        doomed.arrivals = asyncio.Queue()
        calls = [asyncio.create_task(settled(link, method)) for _ in range(30)]
        for _ in range(10):
            async with ample():
                await doomed.arrivals.get()
        ways[1].die()
        assert set(await asyncio.gather(*calls)) == {"a", "c"}
        assert {await settled(link, method) for _ in range(30)} == {"a", "c"}
        doomed.refuse = None
        let_go.set()
        await ways[1].come_back()
        await answering(link, {"a", "b", "c"}, method)


@pytest.mark.parametrize("method", [ONE, "/cardnet.v1.Acquirer/ReversePayment"])  # the latter is never asked again
async def test_a_new_instance_is_found_when_a_connection_has_grown_old_and_no_call_fails(method, tmp_path):
    """The name stands for one address, then for two, then for the new one alone."""
    mint = Mint.authority()
    as_ = Identity(mint.leaf("network").put(tmp_path))
    old = await Instance("old", age_ms=300, shown=mint.leaf("issuer")).start()
    new = Instance("new", age_ms=300, shown=mint.leaf("issuer"))
    new.port = old.port
    await new.start("127.0.0.2")
    names = Names("127.0.0.1")
    async with names, asking(f"dns://127.0.0.1:{names.port}/issuer.test:{old.port}", as_) as link:
        await answering(link, {"old"}, method)
        names.addresses.append("127.0.0.2")
        await _until(link, method, {"old", "new"})
        names.addresses.remove("127.0.0.1")
        await _until(link, method, {"new"})
    assert names.asked > 1
    for one in (old, new):
        await one.stop()


async def _until(link: GrpcLink, method: str, wanted: set[str]) -> None:
    """Ask until these answer, and never anything but an instance."""
    latest = set()
    async with asyncio.timeout(AMPLE_S):
        while latest != wanted:
            latest = {await settled(link, method) for _ in range(8)}
            assert latest <= {"old", "new"}, latest
