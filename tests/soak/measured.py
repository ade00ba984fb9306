"""What the kernel says of a process, for the soak tests. Linux only."""

from __future__ import annotations

import os
from pathlib import Path


def memory_kb(pid: int) -> tuple[int, int]:
    """The process's private memory, and what it has of the ring, by the kernel's account.

    Ring pages that no reader has looked at (the links) count as private for the kernel: they are the ring's here.
    """
    private = ring = 0
    in_ring = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, _, rest = line.partition(":")
        if "-" in name.split()[0]:
            in_ring = line.endswith(".ring")
        elif name.startswith("Private_") and not in_ring:
            private += int(rest.split()[0])
        elif name == "Rss" and in_ring:
            ring += int(rest.split()[0])
    return private, ring


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def waiting_s(pid: int) -> float:
    """How long its main thread has been ready to run without getting a processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
