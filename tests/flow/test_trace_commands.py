"""Traces on the command line: pictures to send on, two beside each other, and the authorisations as they come."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import pytest_asyncio
from canary import found, shapes
from patience import AMPLE_S, patient
from tap import Tap
from waiting import until

from cardnet.cde.v1.token_vault_pb2 import DetokeniseRequest
from cardnet.cli.trace import _latest
from cardnet.env import Env
from cardnet.errors import Fault, NotFound, Unavailable
from cardnet.stage import Stage
from cardnet.test_cards import test_card
from cardnet.testing import LocalNetwork
from cardnet.traces import archive
from cardnet.traces.drawing import draw
from cardnet.traces.picture import plain
from cardnet.traces.refusals import CONTROLS
from cardnet.traces.trace import Trace
from cardnet.triggers import trigger
from cardnet.v1.traces_pb2 import GetTraceRequest, GetTraceResponse, ListTracesResponse

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMAND = (sys.executable, "-m", "cardnet.cli")


class Terminal:
    """Somebody who types commands at a network."""

    def __init__(self, network: LocalNetwork, tap: Tap) -> None:
        self.network, self.tap = network, tap
        self._root = Path(__file__).parents[2]

    async def begin(self, *arguments: str) -> asyncio.subprocess.Process:
        """A command that runs."""
        return await asyncio.create_subprocess_exec(
            *COMMAND, *arguments, cwd=self._root, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )

    async def give(self, *arguments: str) -> tuple[int, str, str]:
        """A command's exit code, and what it said."""
        process = await self.begin(*arguments)
        out, problems = await process.communicate()
        return process.returncode or 0, out.decode(), problems.decode()

    async def trace(self, *arguments: str) -> tuple[int, str, str]:
        return await self.give("trace", "--collector", self.network.collector_address, *arguments)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def terminal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Terminal]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("session")))
        # However late the spans of one service are, nobody is told of an authorisation before they have come.
        patch.setattr(archive, "SETTLES_WITHIN_S", AMPLE_S)
        tap = Tap()
        async with LocalNetwork(in_process=True, roster=True, tap=tap, settings=patient()) as network:
            yield Terminal(network, tap)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def approved(terminal: Terminal) -> str:
    """The trace of an approved payment by a card that is looked for everywhere."""
    payment = await terminal.network.checkout(await terminal.network.save_card("approved"), "12.40 USD")
    return payment.trace.trace_id


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def refused(terminal: Terminal) -> str:
    """The trace of a payment with another shop's token."""
    scene = await trigger("wrong-merchant").play(Stage(terminal.network.channel, Env.of("test")))
    return scene.trace_id


async def test_a_refused_payment_says_in_a_line_who_decided(terminal: Terminal, refused: str) -> None:
    code, said, problems = await terminal.trace(refused)
    assert (code, problems) == (0, "")
    [decided] = [line for line in said.splitlines() if line.startswith("Decided at")]
    assert decided.startswith("Decided at step 4: the token service provider refused: MERCHANT")
    assert decided.endswith(" is not in the token's domain (DE42 merchant id)")


async def test_a_bar_shows_where_the_time_of_a_step_lies(terminal: Terminal, approved: str) -> None:
    _, said, _ = await terminal.trace(approved)
    by_step = {line[:2].strip(): line for line in said.splitlines() if line[:2].strip().isdigit()}
    assert by_step["1"][84:] == "━" * 16
    assert by_step["9"][84:].strip() == "•"
    assert "━" in by_step["5"][84:]


async def test_a_trace_is_printed_in_one_of_four_shapes(terminal: Terminal, approved: str) -> None:
    shapes_ = {shape: await terminal.trace(approved, f"--{shape}") for shape in ("json", "mermaid", "svg", "otlp")}
    assert all((code, problems) == (0, "") for code, _, problems in shapes_.values())
    assert json.loads(shapes_["json"][1])["trace_id"] == approved
    assert shapes_["mermaid"][1].startswith("sequenceDiagram\n")
    ElementTree.fromstring(shapes_["svg"][1])  # noqa: S314 - we drew it
    spans = [
        span
        for resource in json.loads(shapes_["otlp"][1])["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert {span["traceId"] for span in spans} == {approved}
    assert "cardnet.cde.v1.Issuer/Authorise" in {span["name"] for span in spans}


async def test_the_first_step_that_differs_is_marked(terminal: Terminal, approved: str, refused: str) -> None:
    code, said, problems = await terminal.trace("diff", approved, refused)
    assert (code, problems) == (1, "")
    marked = [line for line in said.splitlines() if line.startswith("◆")]
    code, said, _ = await terminal.trace("diff", approved, refused, "--json")
    assert code == 1
    document = json.loads(said)
    assert (document["a"], document["b"]) == (approved, refused)
    assert [line[1:3].strip() for line in marked] == [str(document["first"])]


async def test_each_of_two_says_who_decided(terminal: Terminal, approved: str, refused: str) -> None:
    _, said, _ = await terminal.trace("diff", approved, refused)
    told = [line.strip() for line in said.splitlines() if line.strip().startswith("decided at")]
    assert told[0] == "decided at step 6: the issuer approved 12.40 USD"
    assert told[1].startswith("decided at step 4: the token service provider refused: MERCHANT")
    assert said.index(told[1]) > said.index(refused)


async def test_the_list_says_who_decided(terminal: Terminal, approved: str, refused: str) -> None:
    code, said, problems = await terminal.trace()
    assert (code, problems) == (0, "")
    heading, *lines = said.splitlines()
    at = heading.index("decided by")
    by_id = {line[:8]: line[at:] for line in lines}
    assert by_id[approved[:8]].startswith("issuer, step 6 ")
    assert by_id[refused[:8]].startswith("tsp, step 4 ")


class HalfAnswers:
    """A collector that lists three traces: one fell out meanwhile, one is there, and of one it says something else."""

    def __init__(self, third: Fault | None) -> None:
        self._found = {
            "1": NotFound("TRACE_NOT_FOUND", "it fell out"),
            "2": Trace("2", ()),
            "3": third or Trace("3", ()),
        }

    def unary_unary(self, method: str, **_: object) -> Callable[..., Awaitable[object]]:
        async def answer(request: GetTraceRequest) -> object:
            if method.endswith("/ListTraces"):
                return ListTracesResponse(trace_ids=list(self._found))
            found = self._found[request.trace_id]
            if isinstance(found, Fault):
                raise found
            return GetTraceResponse(json=found.to_json())

        return answer

    unary_stream = unary_unary


async def test_a_trace_that_fell_out_is_left_out_of_the_list_and_any_other_fault_is_told() -> None:
    listed = await _latest(HalfAnswers(None))  # type: ignore[arg-type]
    assert [trace.trace_id for trace in listed] == ["2", "3"]
    with pytest.raises(Unavailable):
        await _latest(HalfAnswers(Unavailable("NEIGHBOUR_UNAVAILABLE", "gone")))  # type: ignore[arg-type]


async def test_two_payments_that_went_the_same_way_do_not_differ(terminal: Terminal, approved: str) -> None:
    payment = await terminal.network.checkout(await terminal.network.save_card("approved"), "12.40 USD")
    code, said, problems = await terminal.trace("diff", approved, payment.trace.trace_id)
    assert (code, problems) == (0, "")
    assert said.splitlines()[-1] == "they went the same way"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("diff", "0af7"), "diff: must be followed by two IDs"),
        (("0af7", "0af8"), "ID: must be one; to compare two: diff ID ID"),
        (("diff", "0af7", "x"), "ID: must be 4 to 32 hexadecimal digits"),
        (("--svg",), "svg: must go with one ID"),
        (("0af7", "--json", "--otlp"), "json: must be left out where --otlp is given"),
        (("0af7", "--all", "--svg"), "all: must go with one ID"),
        (("diff", "0af7", "0af8", "--mermaid"), "mermaid: must go with one ID"),
    ],
)
async def test_a_question_that_makes_no_sense_is_told_so(
    terminal: Terminal, arguments: tuple[str, ...], problem: str
) -> None:
    code, said, problems = await terminal.trace(*arguments)
    assert (code, said) == (2, "")
    assert problems.startswith(f"cardnet: error: {problem}")


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        (("--outcome", "good"), "outcome: must be one of approved, refused, unanswered"),
        (("--token", "123"), "token: must be the last four digits of a token"),
        (("--code", "5"), "code: must be a response code of two letters or digits"),
        (("--slower", "-1"), "slower: must be a number of milliseconds, such as 250"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_told_so(
    terminal: Terminal, option: tuple[str, ...], problem: str
) -> None:
    code, said, problems = await terminal.give("tail", "--collector", terminal.network.collector_address, *option)
    assert (code, said, problems) == (2, "", f"cardnet: error: {problem}\n")


async def test_authorisations_are_told_as_they_come_and_only_those_that_are_wanted(terminal: Terminal) -> None:
    network, listeners = terminal.network, terminal.network.collector.archive.on_entry
    before = len(listeners)
    where = ("tail", "--collector", network.collector_address)
    tails = [
        await terminal.begin(*where, "--code", "51", "--count", "1", "--json"),
        await terminal.begin(*where, "--outcome", "refused"),
    ]

    async def listened() -> bool:
        return len(listeners) == before + len(tails)

    await until(listened, "both follow")
    for card in ("approved", "insufficient-funds"):
        payment = await network.checkout(await network.save_card(card), "12.40 USD")

    said, problems = await tails[0].communicate()
    assert (tails[0].returncode, problems) == (0, b"")
    entry = json.loads(said)
    assert (entry["trace_id"], entry["decided_by"], entry["left_out"]) == (payment.trace.trace_id, "issuer", 0)

    assert tails[1].stdout
    line = (await tails[1].stdout.readline()).decode()
    assert line.startswith(f"{payment.trace.trace_id[:8]}       12.40 USD  51 insufficient funds")
    tails[1].send_signal(signal.SIGINT)
    _, problems = await tails[1].communicate()
    assert (tails[1].returncode, problems) == (0, b"")


async def test_no_shape_of_a_trace_has_a_card_a_token_or_a_cryptogram_in_it(terminal: Terminal) -> None:
    network, card = terminal.network, test_card("approved")
    payment = await network.checkout(await network.save_card(card), "12.40 USD")
    sent = terminal.tap.all(DetokeniseRequest)[-1].token_data
    id_ = payment.trace.trace_id
    asked = {shape: await terminal.trace(id_, f"--{shape}") for shape in ("all", "json", "mermaid", "svg", "otlp")}
    said = {shape: text for shape, (_, text, _) in asked.items()}
    said["diff"] = (await terminal.trace("diff", id_, id_, "--json"))[1]
    said["page"] = draw(payment.trace)
    said["test"] = str(payment.verdict) + plain(payment.trace) + repr(payment.steps) + repr(payment)

    secrets = {**shapes(card.pan), "cryptogram": sent.cryptogram.encode()}
    secrets |= {f"token, {shape}": needle for shape, needle in shapes(sent.payment_token).items()}
    assert sent.cryptogram
    for shape, text in said.items():
        assert found(text.encode(), secrets) == set(), shape
        # The search looks at the right payment: what may be shown is there.
        assert shape == "diff" or f"••••{card.pan[-4:]}" in text or f"\\u2022{card.pan[-4:]}" in text, shape


async def test_the_checks_stand_in_the_order_in_which_they_are_made(terminal: Terminal, approved: str) -> None:
    trace = await terminal.network.trace(approved)
    passed = trace.steps[3].fields["controls_passed"].split(", ")
    assert [name for name in CONTROLS if name in passed] == passed
    assert len(passed) > 5
