"""What must not leave a process that holds card numbers: not by a debug switch, not as a core, not to a neighbour."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_asyncio
from patience import AMPLE_S, patient

from cardnet.steps import SERVICES
from cardnet.testing import LocalNetwork

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc, prctl and core_pattern are Linux's")

on_one_loop = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[3]
SWITCHES = {
    "GRPC_TRACE": ("tcp", "http", "api", "call", "all", "-all"),
    "SSLKEYLOGFILE": ("keys.log",),
}


async def ran(*arguments: str, cwd: Path, **environ: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    told, said = await asyncio.wait_for(process.communicate(), AMPLE_S)
    return process.returncode or 0, told.decode(), said.decode()


@pytest.mark.parametrize("switch", SWITCHES)
@on_one_loop
async def test_with_a_switch_that_would_print_card_numbers_nothing_starts(switch, tmp_path):
    folder = tmp_path / "identity"
    folder.mkdir()
    commands = [
        *((f"services.{name}",) for name in SERVICES),
        ("cardnet.cli", "up", "--single-process", "--port-base", "0", "--otlp-port", "0"),
        ("cardnet.cli", "collect", "--identity", str(folder)),
    ]
    value = SWITCHES[switch][0]
    for code, told, said in await asyncio.gather(*(ran(*one, cwd=tmp_path, **{switch: value}) for one in commands)):
        assert (code, told) == (2, "")
        assert f"{switch} is set and " in said
        assert "unset it" in said
        assert "Traceback" not in said
    assert not (tmp_path / value).exists()


@pytest.mark.parametrize(
    ("switch", "value"), [(switch, value) for switch, values in SWITCHES.items() for value in values]
)
def test_each_value_of_such_a_switch_is_refused_and_none_is_not(switch, value):
    code = f"from cardnet.confinement import keep_secrets_in as k; k({{{switch!r}: {value!r}}})"
    refused = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "SettingMissing" in refused.stderr
    unset = subprocess.run([sys.executable, "-c", code.replace(repr(value), "''")], cwd=ROOT, capture_output=True)
    assert (unset.returncode, unset.stderr) == (0, b"")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network():
    async with LocalNetwork(settings=patient()) as network:
        yield network


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_leave_no_core_and_nobody_may_look_into_it(network, name):
    pid = network.processes[name].pid
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    core = next(line.split() for line in limits if line.startswith("Max core file size"))
    assert core[4:6] == ["0", "0"]
    # What is not dumpable belongs to root in /proc, whoever runs it: prctl(2), proc(5).
    assert Path(f"/proc/{pid}/mem").stat().st_uid == 0


class Cores:
    """The core files where a process would leave one, as core_pattern says here: in its directory."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}/cwd").resolve()
        self._before = set(self._folder.glob("core*"))

    def new(self) -> set[Path]:
        return set(self._folder.glob("core*")) - self._before


@pytest.mark.parametrize("how", [signal.SIGABRT, signal.SIGSEGV])
@on_one_loop
async def test_a_service_that_crashes_leaves_no_core(network, how):
    process = network.processes["tsp"]
    cores = Cores(process.pid)
    status = asyncio.create_task(process.ended())
    os.kill(process.pid, how)
    assert how.name in await status
    assert not cores.new()
    await process.start()


NOBODY = 65_534

PEEP = """
import os, sys
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
try:
    with open('/proc/{pid}/maps') as maps, open('/proc/{pid}/mem', 'rb') as memory:
        memory.seek(int(maps.readline().split('-')[0], 16))
        memory.read(1)
except OSError as refused:
    sys.exit(type(refused).__name__)
sys.exit('read')
"""

# After setuid nothing is dumpable (prctl(2)); who starts as this user, as in a container, is, so it is set so again.
HOLDER = """
import ctypes, os, sys
sys.path = {path!r}
import cardnet.confinement
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
{confining}
print('ready', flush=True)
sys.stdin.read()
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes on another user's identity, which root alone may")


@as_root
def test_the_memory_of_a_service_cannot_be_read_by_another_user(network):
    peep = PEEP.format(uid=NOBODY, pid=network.processes["tsp"].pid)
    assert subprocess.run([sys.executable, "-c", peep], capture_output=True, text=True).stderr == "PermissionError\n"


@as_root
@pytest.mark.parametrize(("confined", "outcome"), [(True, "PermissionError\n"), (False, "read\n")])
def test_not_even_its_own_user_may_read_a_process_that_is_confined(confined, outcome, tmp_path):
    confining = "from cardnet.confinement import keep_secrets_in; keep_secrets_in({})" if confined else ""
    holding = HOLDER.format(path=sys.path, uid=NOBODY, confining=confining)
    with subprocess.Popen(
        [sys.executable, "-c", holding], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == "ready\n"
        peep = PEEP.format(uid=NOBODY, pid=holder.pid)
        seen = subprocess.run([sys.executable, "-c", peep], capture_output=True, text=True).stderr
        holder.communicate("")
    assert seen == outcome
