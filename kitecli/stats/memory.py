"""How much memory a feed takes, by component: its files, which all share, and what each process has to itself.

Measured, not reckoned: a file's part is what the file system has reserved for it, a process's what the kernel says in
``/proc/PID/smaps``. Where there is no such file (macOS, Windows) processes are left out, and that is said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kitecli.stats.looking import Look

_MAPPING: Final = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$")
PRIVATE: Final = ("Private_Clean", "Private_Dirty")
_BLOCK_BYTES: Final = 512
_FILES: Final = {"ring": "ring and board", "bars": "bars", "seats": "readers' seats", "metrics": "figures"}


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """What one process has to itself, in bytes. ``heap``: objects, buffers and stacks, the pools of its sockets and the
    recorder's buffer among them; ``code``: pages of programs and libraries that it has changed or uses alone."""

    what: str
    pid: int
    heap_bytes: int
    code_bytes: int

    @property
    def private_bytes(self) -> int:
        return self.heap_bytes + self.code_bytes


@dataclass(frozen=True, slots=True)
class FeedMemory:
    """``shared``: bytes by component, once for all who map them. ``processes``: of the feed and its readers, as far as
    they can be measured; ``unmeasured``: the ids of the others."""

    shared: dict[str, int]
    processes: tuple[ProcessMemory, ...]
    unmeasured: tuple[int, ...]

    def as_dict(self) -> dict[str, object]:
        processes = [
            {"what": one.what, "pid": one.pid, "heap_bytes": one.heap_bytes, "code_bytes": one.code_bytes}
            for one in self.processes
        ]
        shared, private = sum(self.shared.values()), sum(one.private_bytes for one in self.processes)
        total = {"shared_bytes": shared, "private_bytes": private, "bytes": shared + private}
        return {"shared": self.shared, "processes": processes, "unmeasured": list(self.unmeasured), "total": total}


def measure(look: Look, proc: Path = Path("/proc")) -> FeedMemory:
    """Measure a feed that runs, and its readers; a program that reads twice is one process."""
    ring = Path(look.card.ring)
    whose = {one.seated.pid: "reader" for one in look.readers} | {look.card.pid: "feed"}
    found = [process_memory(what, pid, ring, proc) for pid, what in sorted(whose.items(), key=lambda one: one[1])]
    measured = tuple(one for one in found if one is not None)
    missing = set(whose) - {one.pid for one in measured}
    return FeedMemory(shared_bytes(ring), measured, tuple(sorted(missing)))


def shared_bytes(ring: Path) -> dict[str, int]:
    """What a feed's files take, by component."""
    sizes: Counter[str] = Counter()
    for path in ring.parent.glob(f"{ring.stem}.*"):
        if (component := _FILES.get(path.name.split(".")[1])) is not None and path.is_file():
            sizes[component] += _taken(path)
    return dict(sizes)


def process_memory(what: str, pid: int, ring: Path, proc: Path) -> ProcessMemory | None:
    """Of one process, the feed's files apart; None where the system doesn't tell, or not us."""
    try:
        lines = (proc / str(pid) / "smaps").read_text().splitlines()
    except OSError:
        return None
    sizes = Counter[str]()
    for mapped, name, size in mapped_bytes(lines):
        if name in PRIVATE:
            sizes[_kind(mapped, ring)] += size
    return ProcessMemory(what, pid, sizes["heap"], sizes["code"])


def mapped_bytes(smaps: Iterable[str]) -> Iterator[tuple[str, str, int]]:
    """What is mapped ("" where it is no file), the name of a size of it, as ``Rss``, and bytes: of each line of
    ``/proc/PID/smaps`` that tells a size."""
    mapped = ""
    for line in smaps:
        if (mapping := _MAPPING.match(line)) is not None:
            mapped = mapping.group(1)
        elif line.endswith(" kB"):
            name, _, size = line.partition(":")
            yield mapped, name, int(size.split()[0]) * 1024


def _kind(name: str, ring: Path) -> str:
    if name.startswith(f"{ring.with_suffix('')}."):
        return "shared"
    return "code" if name.startswith("/") and not name.startswith("/dev/zero") else "heap"


def _taken(path: Path) -> int:
    """What is reserved; Windows tells a file's size only."""
    status = path.stat()
    return getattr(status, "st_blocks", -(-status.st_size // _BLOCK_BYTES)) * _BLOCK_BYTES
