"""What other processes have used so far: the kernel's own figures, and `ps` where there is no /proc."""

import os
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

KERNEL_TELLS = Path("/proc/self/smaps_rollup").exists()
"""Whether /proc tells all that is asked here."""

MEMORY_SHOWN = KERNEL_TELLS and os.geteuid() == 0
"""Whether /proc shows us the services' memory: they shut it to all but root (cardnet/confinement.py)."""

MEMORY_KIND = "PSS" if MEMORY_SHOWN else "RSS"
"""What `memory_mb` gives: PSS counts a page that n processes share as 1/n for each, RSS as one for each."""

_CPU_CLOCK = 2  # the kernel's CPUCLOCK_SCHED: what the scheduler counts


def cpu_s(pids: Iterable[int]) -> float:
    """User and system time of some processes with all their threads, in seconds. On Linux to the nanosecond."""
    return sum(_cpu_s(pid) for pid in pids)


def memory_mb(pid: int) -> float:
    """What a process has in memory, in MB of 1,000,000 bytes."""
    if not MEMORY_SHOWN:
        return int(_ps("rss", pid)) * 1024 / 1e6
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def _cpu_s(pid: int) -> float:
    if not KERNEL_TELLS:
        return _seconds(_ps("time", pid))
    # Another process's CPU clock, as clock_getcpuclockid(3) names it: /proc/PID/stat has it in steps of 10 ms alone.
    return time.clock_gettime((~pid << 3) | _CPU_CLOCK)


def _ps(field: str, pid: int) -> str:
    return subprocess.run(["ps", "-o", f"{field}=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout  # noqa: S607


def _seconds(clock: str) -> float:
    """Seconds of "[hours:]minutes:seconds", as `ps` writes them."""
    seconds = 0.0
    for part in clock.strip().split(":"):
        seconds = 60 * seconds + float(part)
    return seconds
