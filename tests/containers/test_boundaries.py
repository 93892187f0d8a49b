"""Who reaches what, and what each container may do and see: the table of docs/decisions/0007, tried from inside."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from stack import IMAGE, SERVICES, STORES, Stack, addresses_of, docker, service_of

from cardnet.identity import DISCLOSER, MAY_CALL, OPERATOR

REACHES = {
    "merchant": {"acquirer", "tsp", "wallet", "collector", "shops", "host-ports"},
    "acquirer": {"merchant", "network", "shops"},
    "network": {"acquirer", "tsp", "issuer", "ledger"},
    "tsp": {"merchant", "network", "issuer", "wallet", "collector", "vault", "host-ports"},
    "issuer": {"network", "tsp", "ledger"},
    "wallet": {"merchant", "tsp", "collector", "shops", "host-ports"},
    "collector": {"merchant", "tsp", "wallet", "host-ports"},
    "host-ports": {"merchant", "tsp", "wallet", "collector"},
    "shops": {"merchant", "acquirer", "wallet"},
    "vault": {"tsp"},
    "ledger": {"network", "issuer"},
    "authority": set(),
}
"""Each container and all that it can open a connection to, itself aside."""

PORTS = {
    "merchant": 50051,
    "acquirer": 50052,
    "network": 50053,
    "tsp": 50054,
    "issuer": 50055,
    "wallet": 8752,
    "collector": 4317,
    "host-ports": 50051,
    **dict.fromkeys(STORES, 6379),
}

PROBE = """
import asyncio, json, sys
async def reached(host, port):
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
        return True
    except (OSError, TimeoutError):
        return False
async def main():
    asked = json.loads(sys.argv[1])
    return await asyncio.gather(*(reached(*one) for one in asked))
print(json.dumps(asyncio.run(main())))
"""


@pytest.fixture(scope="module")
def containers(stack: Stack) -> list[dict[str, Any]]:
    return stack.described()


def test_each_reaches_its_neighbours_and_nobody_else(containers: list[dict[str, Any]]) -> None:
    running = [one for one in containers if one["State"]["Running"]]
    assert {service_of(one) for one in running} == set(REACHES)
    doors = [
        (service_of(one), one["Id"], address, port)
        for one in running
        if service_of(one) in PORTS
        for address in addresses_of(one)
        for port in (PORTS[service_of(one)], 50070, 50064, 50065)
    ]
    with ThreadPoolExecutor(4) as several:
        found = list(several.map(lambda one: _probed(one, doors), running))

    reached: dict[str, set[str]] = {name: set() for name in REACHES}
    for one, reaches in zip(running, found, strict=True):
        opened = [door for door, open_ in zip(doors, reaches, strict=True) if open_ and door[1] != one["Id"]]
        # A service's own door, and none for health or for operators.
        assert all(port == PORTS[name] for name, _, _, port in opened), opened
        reached[service_of(one)] |= {name for name, *_ in opened} - {service_of(one)}
    assert reached == REACHES


def test_every_instance_is_found_by_its_service_s_name(stack: Stack) -> None:
    asked = "import socket, sys; print(len({one[4][0] for one in socket.getaddrinfo(sys.argv[1], 1)}))"
    for who, whom, instances in (("acquirer", "network", 3), ("network", "tsp", 2), ("network", "issuer", 2)):
        assert stack.execute(stack.ids(who)[0], "python", "-c", asked, whom).strip() == str(instances)


def _probed(container: dict[str, Any], doors: list[tuple[str, str, str, int]]) -> list[bool]:
    """Which doors can be reached from where a container stands in the networks."""
    asked = json.dumps([(address, port) for *_, address, port in doors])
    within = f"container:{container['Id']}"
    said = docker("run", "--rm", "--network", within, "--read-only", IMAGE, "python", "-c", PROBE, asked)
    return json.loads(said)


def test_no_container_may_do_more_than_it_must(containers: list[dict[str, Any]]) -> None:
    for one in containers:
        name, host = service_of(one), one["HostConfig"]
        assert one["Config"]["User"] == "10001:10001", name
        assert host["ReadonlyRootfs"] and not host["Privileged"], name
        assert host["CapDrop"] == ["ALL"] and not host["CapAdd"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert 0 < host["Memory"] <= 512 * 2**20 and 0 < host["PidsLimit"] <= 128, name
        assert {limit["Name"]: limit["Hard"] for limit in host["Ulimits"] or ()}["core"] == 0, name
        assert host["LogConfig"]["Config"]["max-size"], name
        assert host["RestartPolicy"]["Name"] == ("no" if name == "setup" else "unless-stopped"), name
        assert not host["Devices"] and not host["PidMode"] and host["IpcMode"] in ("private", "shareable"), name


def test_the_kernel_sees_it_so_too(stack: Stack, containers: list[dict[str, Any]]) -> None:
    for one in (one for one in containers if one["State"]["Running"]):
        status = dict(
            line.split(":\t", 1) for line in stack.execute(one["Id"], "cat", "/proc/self/status").splitlines()
        )
        assert status["Uid"].split() == ["10001"] * 4, service_of(one)
        assert {int(status[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1"
        written = docker("exec", one["Id"], "sh", "-c", "touch /here /opt/here /etc/here; ls /here", check=False)
        assert not written, service_of(one)


def test_ports_are_open_on_this_machine_alone_and_nowhere_else(containers: list[dict[str, Any]]) -> None:
    bound = {service_of(one): one["HostConfig"]["PortBindings"] or {} for one in containers}
    assert {name for name, ports in bound.items() if ports} == {"host-ports"}
    assert {one["HostIp"] for ports in bound["host-ports"].values() for one in ports} == {"127.0.0.1"}


def test_each_sees_its_own_identity_and_store_and_no_other(stack: Stack, containers: list[dict[str, Any]]) -> None:
    kept = {
        "merchant": {"state-merchant": True},
        "tsp": {"state-tsp": True},
        "issuer": {"state-issuer": True},
    }
    for one in (one for one in containers if service_of(one) in SERVICES):
        name = service_of(one)
        mounted = {mount["Name"].removeprefix(f"{stack.project}_"): mount["RW"] for mount in one["Mounts"]}
        own = {f"id-{name}": False, f"url-{name}": False, "traces": False}
        assert mounted == own | kept.get(name, {}), name
        assert _names_in_certificate(stack, one["Id"]) == {f"spiffe://cardnet.test/{name}", name}
        url = stack.execute(one["Id"], "cat", "/run/cardnet/store/redis.url")
        assert url.startswith(f"redis://{name}:")
        password = url.split(":")[2].partition("@")[0]
        assert password not in json.dumps(containers)  # neither in anybody's environment nor command


def _names_in_certificate(stack: Stack, container: str) -> set[str]:
    read = (
        "from cryptography import x509; from pathlib import Path;"
        "one = x509.load_pem_x509_certificate(Path('/run/cardnet/identity/tls.crt').read_bytes());"
        "names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value;"
        "print(*(name.value for name in names))"
    )
    return set(stack.execute(container, "python", "-c", read).split())


ADMIN = sorted(method for method, roles in MAY_CALL.items() if roles <= {OPERATOR, DISCLOSER})
CALL = """
import sys, grpc
from pathlib import Path
from cardnet.certificates import Identity, channel_credentials
name, address, *methods = sys.argv[1:]
options = (("grpc.ssl_target_name_override", name),)
papers = Identity(Path("/run/cardnet/identity")).papers
with grpc.secure_channel(address, channel_credentials(papers), options) as channel:
    for method in methods:
        try:
            channel.unary_unary(method)(b"", timeout=25)
        except grpc.RpcError as refusal:
            print(method, refusal.code().name)
"""


def test_what_only_an_operator_may_call_is_registered_nowhere(stack: Stack) -> None:
    known = {"tsp": "/cardnet.cde.v1.TokenVault/Detokenise", "issuer": "/cardnet.cde.v1.Issuer/Authorise"}
    for name, method in known.items():
        asked = (name, f"{name}:{PORTS[name]}", method, *ADMIN)
        said = stack.execute(stack.ids("network")[0], "python", "-c", CALL, *asked).splitlines()
        assert said[0] == f"{method} INVALID_ARGUMENT"  # this one is there, and its caller is let in
        assert said[1:] == [f"{method} UNIMPLEMENTED" for method in ADMIN]
