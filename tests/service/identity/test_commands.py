"""The commands about identities, as a user starts them: certs, up, demo, collect; and the containers' probe."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from mint import CALLED, EVERYBODY, Mint, serial_in
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData
from patience import AMPLE_S

from cardnet.certificates import Identity
from cardnet.cli import main
from cardnet.health import main as probe
from cardnet.otlp import EXPORT, CollectorSink
from cardnet.testing.ports import Ports
from cardnet.testing.remote import RemoteNetwork
from cardnet.wire import GrpcLink

ROOT = Path(__file__).parents[3]


class Command:
    """A command of cardnet's as a process."""

    def __init__(self, *arguments: str, **environ: str) -> None:
        self._arguments, self._environ = arguments, environ

    async def __aenter__(self) -> "Command":
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cardnet.cli", *self._arguments),
            cwd=ROOT,
            env=os.environ | self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def line(self) -> str:
        return (await asyncio.wait_for(self.process.stdout.readline(), AMPLE_S)).decode()

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(how)
        return await self.end()

    async def end(self) -> tuple[int, str]:
        told, said = await asyncio.wait_for(self.process.communicate(), AMPLE_S)
        return self.process.returncode, told.decode() + said.decode()


# cardnet certs


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_certs_makes_a_folder_for_everybody_that_its_owner_alone_may_read(tmp_path, capsys):
    assert main(["certs", str(tmp_path / "made"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"folder": str(tmp_path / "made"), "names": [*EVERYBODY], "good_for_s": 86_400}
    assert {path.name for path in (tmp_path / "made").iterdir()} == set(EVERYBODY)
    for name in EVERYBODY:
        folder = tmp_path / "made" / name
        assert mode(folder) == 0o700
        assert {path.name: mode(path) for path in folder.iterdir()} == dict.fromkeys(
            ("tls.crt", "tls.key", "ca.crt"), 0o600
        )
        own = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://cardnet.test/{name}"]
        assert names.get_values_for_type(x509.DNSName) == ([name] if name in CALLED else [])
        assert len(list(names)) == 1 + (name in CALLED)
        [authority] = x509.load_pem_x509_certificates((folder / "ca.crt").read_bytes())
        own.verify_directly_issued_by(authority)
        Identity(folder)
    assert not [path for path in (tmp_path / "made").rglob("*") if path.is_file() and path.name not in NAMES]


NAMES = ("tls.crt", "tls.key", "ca.crt")


def test_certs_makes_those_that_are_named(tmp_path):
    assert main(["certs", str(tmp_path), "--name", "shop-1", "--name", "x" * 63]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"shop-1", "x" * 63}


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            ("--name", name)
            for name in ("", "Shop", "x" * 64, "../x", "a/b", "a.b", "-a", "a-", "a--b", "é", "a\n", "1a")
        ),
        *(("--days", days) for days in ("0", "-1", "0.0001", "3651", "nan", "x")),
        *(("--trust-domain", domain) for domain in ("", "a b", "A.test", "a/b", "é.test", "x" * 256, "a\n")),
    ],
    ids=repr,
)
def test_certs_makes_nothing_of_what_is_wrong_and_says_what_would_be_right(tmp_path, capsys, wrong):
    assert main(["certs", str(tmp_path / "made"), *wrong]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("cardnet: error: ")
    assert wrong[0].strip("-") in said.err
    assert not (tmp_path / "made").exists()


def test_certs_says_in_one_sentence_that_a_folder_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").touch()
    for place in ("/proc/nowhere", str(tmp_path / "file"), str(tmp_path / "file" / "below")):
        assert main(["certs", place]) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert place in said.err


async def test_certs_over_the_same_folder_replaces_and_the_former_authority_is_believed_as_long_as_it_is_good(tmp_path):
    ours = Mint.authority()
    ours.leaf("tsp").put(tmp_path / "tsp")
    before = serial_in(tmp_path / "tsp")
    async with Command("certs", str(tmp_path), "--name", "tsp", "--days", "0.001") as certs:
        assert (await certs.end())[0] == 0
    assert serial_in(tmp_path / "tsp") != before
    assert ours.pem in (tmp_path / "tsp" / "ca.crt").read_bytes()
    assert len(x509.load_pem_x509_certificates((tmp_path / "tsp" / "ca.crt").read_bytes())) == 2


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_certs_that_keeps_them_stays_until_it_is_told_to_stop(tmp_path, how):
    async with Command("certs", str(tmp_path), "--keep") as certs:
        assert "good for" in await certs.line()
        before = serial_in(tmp_path / "tsp")
        assert certs.process.returncode is None
        assert await certs.stop(how) == (0, "")
    assert serial_in(tmp_path / "tsp") == before


# cardnet up and demo, with certificates of one's own


@asynccontextmanager
async def up(*options: str, **environ: str):
    async with Command("up", "--port-base", "0", "--otlp-port", "0", "--json", *options, **environ) as command:
        line = await command.line()
        assert line, await command.end()
        yield command, json.loads(line)


async def test_up_with_certificates_of_another_trust_domain_plays_the_demo_and_lets_no_other_in(tmp_path):
    ours = Mint.authority()
    folder = ours.everybody(tmp_path / "own", domain="bank.example")
    strangers = ours.everybody(tmp_path / "strangers")  # of the same authority, for another trust domain
    options = ("--identities", str(folder), "--trust-domain", "bank.example", "--no-admin", "--single-process")
    async with up(*options) as (command, facts):
        at = ("--merchant", facts["services"]["merchant"], "--tsp", facts["services"]["tsp"])
        at += ("--collector", facts["collector"])
        async with Command("demo", *at, "--identities", str(folder), "--json") as demo:
            code, said = await demo.end()
            assert code == 0, said
        assert all(one["response_code"] == one["expected"] for one in json.loads(said)["outcomes"])
        async with Command("demo", *at, "--identities", str(strangers)) as demo:
            code, said = await demo.end()
        assert code == 1
        assert "the certificate names nobody of this network" in said
        assert (await command.stop())[0] == 0


async def test_up_in_plain_text_says_so_loudly_and_not_on_standard_output():
    async with up("--insecure", "--single-process") as (command, facts):
        assert all(address.startswith("127.0.0.1:") for address in (*facts["services"].values(), facts["collector"]))
        code, said = await command.stop()
    assert code == 0
    assert said.startswith("cardnet: warning: INSECURE: plain text, no certificates.")


@pytest.mark.parametrize(
    "command",
    [
        ("up", "--port-base", "0", "--otlp-port", "0", "--identities"),
        ("collect", "--listen", "127.0.0.1:0", "--identity"),
        ("demo", "--merchant", "127.0.0.1:1", "--identities"),
    ],
    ids=lambda command: command[0],
)
def test_a_folder_without_identities_is_told_in_one_sentence(tmp_path, capsys, command):
    assert main([*command, str(tmp_path)]) in (1, 2)
    said = capsys.readouterr()
    assert said.err.strip().count("\n") == 0, said.err
    assert "cardnet certs" in said.err


# cardnet collect


SPANS = TracesData(
    resource_spans=[
        ResourceSpans(
            scope_spans=[
                ScopeSpans(
                    spans=[Span(trace_id=bytes(range(16)), span_id=b"12345678", name="cardnet.v1.Merchant/Checkout")]
                )
            ]
        )
    ]
)


class Receiver:
    """Another receiver of OTLP, which takes spans, refuses them or hangs."""

    def __init__(self, manner: str) -> None:
        self._manner, self.received = manner, asyncio.Queue()

    async def __aenter__(self) -> "Receiver":
        self._server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(self._export)
        service, method = EXPORT.strip("/").split("/")
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {method: handler})])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)

    async def _export(self, data: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.received.put_nowait(data)
        if self._manner == "hangs":
            await asyncio.Event().wait()
        if self._manner == "refuses":
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
        return b""


@pytest.mark.parametrize("manner", ["takes", "refuses", "hangs"])
async def test_collect_sends_on_what_it_takes_and_answers_whatever_the_receiver_does(tmp_path, manner, monkeypatch):
    monkeypatch.setattr("cardnet.otlp.TIMEOUT_S", AMPLE_S)
    ours = Mint.authority()
    folder = ours.everybody(tmp_path / "own")
    at = f"unix:{tmp_path}/collector.sock"
    async with Receiver(manner) as receiver:
        endpoints = f"http://127.0.0.1:{receiver.port},http://127.0.0.1:1"  # nobody is at the second
        listen = ("--listen", at, "--listen", "127.0.0.1:0", "--identity", str(folder / "collector"))
        async with Command("collect", *listen, OTEL_EXPORTER_OTLP_ENDPOINT=endpoints) as collect:
            assert await collect.line() == f"ready at {at}, 127.0.0.1:0\n"
            sink = CollectorSink(GrpcLink("collector", at, Identity(folder / "merchant")))
            await sink.export(SPANS.SerializeToString())
            await sink.close()
            assert await asyncio.wait_for(receiver.received.get(), AMPLE_S) == SPANS.SerializeToString()
            async with RemoteNetwork({"collector": at}, folder) as network:
                trace = await network.trace(bytes(range(16)).hex())
            assert trace.trace_id == bytes(range(16)).hex()
            assert (await collect.stop())[0] == 0


async def test_collect_says_in_its_health_that_it_serves_and_takes_nothing_in_plain_text(
    tmp_path, free_port, monkeypatch
):
    monkeypatch.setattr("cardnet.health.TIMEOUT_S", AMPLE_S)
    folder = Mint.authority().everybody(tmp_path / "own")
    health = f"127.0.0.1:{free_port}"
    listen = ("--listen", f"unix:{tmp_path}/collector.sock", "--health-listen", health)
    async with Command("collect", *listen, "--identity", str(folder / "collector")) as collect:
        await collect.line()
        assert await asyncio.to_thread(probe, [health]) == 0
        async with grpc.aio.insecure_channel(health) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(EXPORT)(SPANS.SerializeToString(), timeout=25)
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert (await collect.stop())[0] == 0
    assert await asyncio.to_thread(probe, [health]) == 2


@pytest.fixture
def free_port():
    ports = Ports()  # kept, so that nobody else takes it meanwhile
    yield int(ports.take().rpartition(":")[2])
    ports.release()
