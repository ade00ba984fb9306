"""What a benchmark hands back, and how it is shown: on the terminal, as JSON, and in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import native
from kitecli.clock import IST

BEGIN: Final = "<!-- results: begin; written by benchmarks/run.py --write -->"
END: Final = "<!-- results: end -->"
_PACKAGES: Final = ("kitecli", "numpy", "picows", "kiteconnect", "autobahn", "twisted", "typer", "cython")
_COLUMNS: Final = ("what", "ours", "CPU", "peer", "peer's CPU", "ratio", "target", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """One line. ``ours`` and ``peer`` are in the table's unit, wall time; the CPU's figures stand beside them."""

    what: str
    ours: float
    ours_cpu: float | None = None
    peer: float | None = None
    peer_cpu: float | None = None
    ratio: str = ""
    target: str = ""
    met: bool | None = None

    def cells(self) -> list[str]:
        met = "" if self.met is None else "yes" if self.met else "NO"
        figures = [_figure(value) for value in (self.ours, self.ours_cpu, self.peer, self.peer_cpu)]
        return [self.what, *figures, self.ratio, self.target, met]


@dataclass(frozen=True, slots=True)
class Table:
    """One benchmark's result. ``unit`` is of all figures, ``peer`` says what they are compared with."""

    name: str
    title: str
    unit: str
    peer: str
    rows: Sequence[Row]
    notes: Sequence[str] = field(default=())

    def markdown(self) -> str:
        head = [*_COLUMNS]
        head[1] = f"ours, {self.unit}"
        head[3] = self.peer or "peer"
        lines = [head, *(row.cells() for row in self.rows)]
        used = [index for index in range(len(head)) if any(line[index] for line in lines[1:])]
        return "\n".join(
            [f"### {self.title}", "", *_grid([[line[index] for index in used] for line in lines])]
            + ["", *(f"- {note}" for note in self.notes)] * bool(self.notes)
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a :class:`Grid`: what it is of, and its figures as they are shown."""

    what: str
    figures: Sequence[str]


@dataclass(frozen=True, slots=True)
class Grid:
    """A result of several figures a line, each with a column of its own; nothing is judged."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Line]
    notes: Sequence[str] = field(default=())

    def markdown(self) -> str:
        lines = [("what", *self.columns), *((row.what, *row.figures) for row in self.rows)]
        return "\n".join([f"### {self.title}", "", *_grid(lines), "", *(f"- {note}" for note in self.notes)])


def less(peer: float, ours: float) -> str:
    """How many times less ours takes."""
    return f"{peer / ours:,.0f}x less" if peer / ours >= 10 else f"{peer / ours:.1f}x less"


def times(ours: float, peer: float) -> str:
    """How many times the peer's ours is."""
    return f"{ours / peer:.2f}x"


def conditions(command: str) -> dict[str, str]:
    """What the figures depend on."""
    return {
        "command": command,
        "date": datetime.now(IST).strftime("%d %B %Y, %H:%M IST"),
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}, {_memory()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": native.compiler_version(),
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        "load average": load(),
    }


def load() -> str:
    """The machine's load average of the last minute; others may be using it."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def text(tables: Sequence[Table | Grid], circumstances: dict[str, str]) -> str:
    """Everything as Markdown: the terminal shows the same."""
    lines = [f"- {name}: {value}" for name, value in circumstances.items()]
    return "\n\n".join(["\n".join(lines), *(table.markdown() for table in tables)]) + "\n"


def as_dict(tables: Sequence[Table | Grid], circumstances: dict[str, str]) -> dict[str, object]:
    return {"conditions": circumstances, "tables": [asdict(table) for table in tables]}


def write_into(page: Path, body: str) -> None:
    """Replace the page's generated section. Raises ValueError where it has none."""
    before, found, rest = page.read_text().partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"{page} has no section between {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{body}\n{END}{after}")


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _grid(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    rows = [f"| {' | '.join(line)} |" for line in padded]
    return [rows[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rows[1:]]


def _cpu_model() -> str:
    about = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", about.read_text()) if about.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return "memory unknown"
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
