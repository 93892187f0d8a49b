"""What a fault switch delivers once more says that it is a repeat, on every wire; and what its faults then mean."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from patience import AMPLE_S

from cardnet.border import DELIVERED_BEFORE
from cardnet.errors import Fault, InProgress, InvalidField, NotPermitted, Overloaded, Unavailable
from cardnet.faults import Faults
from cardnet.faulty import Faulty
from cardnet.wire import GrpcLink

HOP, AUTHORISE = "network-issuer", "/cardnet.cde.v1.Issuer/Authorise"
CHECK_PASSCODE = "/cardnet.cde.v1.Issuer/CheckPasscode"  # noqa: S105 - a method's name; it is never asked again
BUSY = Overloaded("TOO_MUCH", "too much at once")


class Answers:
    """A link that answers one after the other, or raises."""

    def __init__(self, *answers: bytes | Fault) -> None:
        self.answers = list(answers)
        self.heard: list[str] = []

    async def call(self, _method: str, _data: bytes, metadata: Mapping[str, str], _timeout_s: float) -> bytes:
        self.heard.append(metadata.get(DELIVERED_BEFORE, ""))
        answer = self.answers.pop(0)
        if isinstance(answer, Fault):
            raise answer
        return answer

    def stream(self, *_: Any) -> Any:
        raise NotImplementedError

    async def close(self) -> None: ...


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path / "faults", (HOP,))


def faulty(link: Any, faults: Faults) -> Faulty:
    return Faulty(link, "network", "issuer", faults._file)


async def test_each_delivery_after_the_first_says_that_it_is_a_repeat(faults: Faults) -> None:
    faults.set(HOP, duplicate=True)
    faults.set(HOP, duplicate=True)
    link = Answers(b"1", b"2", b"3", b"4")
    assert await faulty(link, faults).call(AUTHORISE, b"", {}, 5) == b"4"
    assert link.heard == ["", "1", "2", "3"]


async def test_grpc_carries_the_word_too(faults: Faults) -> None:
    heard: list[str | bytes] = []

    class Hears(grpc.GenericRpcHandler):
        def service(self, call: Any) -> Any:
            heard.append(dict(call.invocation_metadata).get(DELIVERED_BEFORE, ""))

            async def answer(_request: bytes, _context: Any) -> bytes:
                return b"yes"

            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Hears(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    link = faulty(GrpcLink("issuer", f"127.0.0.1:{port}", "network"), faults)
    faults.set(HOP, duplicate=True)
    assert await link.call(AUTHORISE, b"", {}, AMPLE_S) == b"yes"
    await link.close()
    await server.stop(0)
    assert heard == ["", "1"]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (b"yes", BUSY, Unavailable),
        (b"yes", NotPermitted("NO", "no"), Unavailable),
        (Unavailable("GONE", "gone"), BUSY, Unavailable),
        (InProgress("AT_IT", "at it"), BUSY, Unavailable),
        (BUSY, BUSY, Overloaded),
        (InvalidField("pan", "must be"), InvalidField("pan", "must be"), InvalidField),
    ],
    ids=repr,
)
async def test_who_did_nothing_the_second_time_may_have_acted_the_first(faults, first, second, told) -> None:
    faults.set(HOP, duplicate=True)
    with pytest.raises(Fault) as raised:
        await faulty(Answers(first, second), faults).call(AUTHORISE, b"", {}, 5)
    assert type(raised.value) is told


@pytest.mark.parametrize(("method", "told"), [(AUTHORISE, Unavailable), (CHECK_PASSCODE, Overloaded)])
async def test_an_error_switch_says_no_more_than_grpc_would(faults: Faults, method: str, told: type[Fault]) -> None:
    faults.set(HOP, error="RESOURCE_EXHAUSTED")
    with pytest.raises(Fault) as raised:
        await faulty(Answers(), faults).call(method, b"", {}, 5)
    assert type(raised.value) is told
