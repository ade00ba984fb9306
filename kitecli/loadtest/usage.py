"""What the kernel says a process uses: processor time, memory of its own, memory shared with others. Linux tells."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kitecli.clock import NS_PER_S
from kitecli.errors import EnvironmentProblem
from kitecli.stats.memory import PRIVATE, mapped_bytes


@dataclass(frozen=True, slots=True)
class Usage:
    """At one instant: ``cpu_s`` since the process began, ``waited_s`` in which its first thread was ready and had no
    processor, ``anonymous_bytes`` of memory that nobody shares."""

    cpu_s: float
    waited_s: float
    anonymous_bytes: int


@dataclass(frozen=True, slots=True)
class Memory:
    """``private_bytes``: its own, without the feed's files in shared memory; ``shared_bytes``: what it has of those."""

    private_bytes: int
    shared_bytes: int


def usage(pid: int) -> Usage | None:
    """None where the platform doesn't tell. Cheap: no page is walked. Raises :class:`EnvironmentProblem` if it died."""
    folder = Path(f"/proc/{pid}")
    if not Path("/proc/self/stat").exists():
        return None
    try:
        stat, status, schedule = ((folder / name).read_text() for name in ("stat", "status", "schedstat"))
    except OSError as cause:
        raise EnvironmentProblem(
            f"Process {pid} of the load test ended before its time", why=str(cause), hint="is memory short here?"
        ) from cause
    return Usage(cpu_s(stat, os.sysconf("SC_CLK_TCK")), int(schedule.split()[1]) / NS_PER_S, anonymous_bytes(status))


def memory(pid: int, folder: Path) -> Memory | None:
    """``folder``: where the feed's files stand. Exact, and costs milliseconds for each 100 MB: not while latencies are
    measured."""
    try:
        return memory_of(Path(f"/proc/{pid}/smaps").read_text().splitlines(), str(folder))
    except OSError:  # no such platform, or gone: a figure that is missing says so
        return None


def cpu_s(stat: str, ticks_per_s: int) -> float:
    """User's and system's, from ``/proc/PID/stat``."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / ticks_per_s


def anonymous_bytes(status: str) -> int:
    """From ``/proc/PID/status``."""
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def memory_of(smaps: Iterable[str], folder: str) -> Memory:
    """From the lines of ``/proc/PID/smaps``. Pages of a ring that no reader has looked at are private to the kernel;
    they are shared memory here, as all of ``folder``."""
    private = shared = 0
    for mapped, name, size in mapped_bytes(smaps):
        in_ours = folder in mapped
        if name == "Rss" and in_ours:
            shared += size
        elif name in PRIVATE and not in_ours:
            private += size
    return Memory(private, shared)
