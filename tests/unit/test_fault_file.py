"""The file of the fault switches: who writes it, who reads it, and how calls are counted among several."""

import importlib
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from pathlib import Path

import pytest
from google.protobuf.descriptor import ServiceDescriptor

import cardnet
from cardnet.errors import InvalidField
from cardnet.faults import MOST_SWITCHES, Faults, Reading, calls_of
from cardnet.identity import PROGRAMS

HOPS = ("network-tsp", "network-issuer")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "faults"


@pytest.fixture
def faults(file: Path) -> Faults:
    return Faults(file, HOPS)


def test_a_hop_reads_its_own_switches_in_the_order_in_which_they_were_set(file: Path, faults: Faults) -> None:
    issuer, tsp = Reading(file, "network-issuer"), Reading(file, "network-tsp")
    faults.set("network-issuer", latency_ms=20)
    faults.set("network-tsp", drop="answer")
    faults.set("network-issuer", error="INTERNAL", call="Authorise")

    assert [(switch.kind, switch.call) for switch in issuer.now()] == [("latency", ""), ("error", "Authorise")]
    assert [switch.kind for switch in tsp.now()] == ["drop answer"]


def test_every_change_is_seen_however_fast_one_follows_the_other(file: Path, faults: Faults) -> None:
    reading = Reading(file, "network-issuer")
    for _ in range(200):
        before = file.stat().st_mtime
        switch = faults.set("network-issuer", duplicate=True)
        assert file.stat().st_mtime >= before + 1  # an edition's number: some systems tell times by the second
        assert [seen.id for seen in reading.now()] == [switch.id]
        faults.clear(switch)
        assert reading.now() == ()


def test_n_times_is_exact_among_all_who_read_the_file(file: Path, faults: Faults) -> None:
    switch = faults.set("network-issuer", duplicate=True, times=50)
    with ThreadPoolExecutor(8) as callers:
        claimed = list(callers.map(lambda _: switch.claim(file), range(400)))

    assert sum(claimed) == 50
    assert [(seen.left, seen.spent) for seen in faults.switches] == [(0, True)]


def test_a_caller_that_starts_again_goes_on_counting(file: Path, faults: Faults) -> None:
    faults.set("network-issuer", duplicate=True, times=2)
    claimed = [Reading(file, "network-issuer").now()[0].claim(file) for _ in range(3)]
    assert claimed == [True, True, False]


def test_all_that_is_written_is_for_its_owner_alone(file: Path, faults: Faults) -> None:
    before = os.umask(0)
    try:
        faults.set("network-issuer", duplicate=True, times=1).claim(file)
    finally:
        os.umask(before)
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()} == {
        "faults": 0o600,
        "faults.1": 0o600,
    }


def test_a_file_that_is_gone_disturbs_nothing(file: Path, faults: Faults) -> None:
    reading = Reading(file, "network-issuer")
    faults.set("network-issuer", duplicate=True)
    file.unlink()
    assert reading.now() == ()


@pytest.mark.parametrize(
    ("hop", "call"),
    [
        ("network-issuer", "Detokenise"),  # the network asks this of another
        ("network-tsp", "Authorise"),
        ("network-tsp", "RequestToken"),  # another asks this of the tsp
        ("merchant-tsp", "FollowTokens"),  # a stream, which passes undisturbed
        ("network-issuer", "authorise"),
    ],
)
def test_a_switch_that_can_never_act_is_refused(file: Path, hop: str, call: str) -> None:
    with pytest.raises(InvalidField, match="call: must be one of"):
        Faults(file, (*HOPS, "merchant-tsp")).set(hop, duplicate=True, call=call)


@pytest.mark.parametrize(
    ("hop", "calls"),
    [
        ("network-issuer", ["Authorise", "Reverse"]),
        ("network-tsp", ["Detokenise", "EnquirePar", "FindTransaction", "RecallTransaction"]),
        ("tsp-issuer", ["CheckPasscode", "VerifyAccount"]),
        ("merchant-acquirer", ["ReversePayment", "SubmitPayment"]),
    ],
)
def test_the_calls_of_a_hop_are_those_that_one_asks_and_the_other_serves(hop: str, calls: list[str]) -> None:
    assert calls_of(hop) == calls


def test_no_call_of_any_hop_is_a_stream_which_passes_undisturbed() -> None:
    streams = {method.name for service in services() for method in service.methods if method.server_streaming}
    assert streams
    for caller, callee in permutations(PROGRAMS, 2):
        assert not streams.intersection(calls_of(f"{caller}-{callee}"))


def services() -> Iterator[ServiceDescriptor]:
    """Those that the protos define."""
    for path in Path(cardnet.__path__[0]).rglob("*_pb2.py"):
        name = ".".join(path.relative_to(cardnet.__path__[0]).with_suffix("").parts)
        yield from importlib.import_module(f"cardnet.{name}").DESCRIPTOR.services_by_name.values()


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"[{", b"{}7", b'{"a": 1}', b"[1]", b'[{"id": 1}]', b'[{"hop": "network-issuer"}]', b"\xff", b"[" * 99_999],
    ids=lambda rubbish: str(rubbish[:20]),
)
def test_a_damaged_file_leaves_the_switches_as_they_were_and_is_told_once(file, faults, rubbish, caplog) -> None:
    reading = Reading(file, "network-issuer")
    switch = faults.set("network-issuer", duplicate=True)
    assert reading.now() == (switch,)
    for edition in (50, 51):
        file.write_bytes(rubbish)
        os.utime(file, (edition, edition))
        assert reading.now() == (switch,)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the fault switches of network-issuer cannot be read"
    ]
    faults.clear()
    assert reading.now() == ()


def test_a_folder_in_the_files_place_leaves_the_switches_as_they_were(file: Path, faults: Faults) -> None:
    reading = Reading(file, "network-issuer")
    switch = faults.set("network-issuer", duplicate=True)
    assert reading.now() == (switch,)
    file.unlink()
    file.mkdir()
    assert reading.now() == (switch,)


def test_there_are_so_many_switches_and_no_more(faults: Faults) -> None:
    for _ in range(MOST_SWITCHES):
        faults.set("network-tsp", duplicate=True)
    with pytest.raises(InvalidField, match="faults: must be 50 at most"):
        faults.set("network-tsp", duplicate=True)
