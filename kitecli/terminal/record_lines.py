"""What ``kite record`` says while it runs and when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kitecli.terminal.numbers import counted, size, span

Figures = Mapping[str, Any]
"""A gateway's account of its recording, as docs/control-socket.md has it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How far a recording was at an instant of a monotonic clock."""

    at_s: float
    ticks: int
    figures: Figures

    def since(self, former: Sample | None) -> dict[str, float | None]:
        """Rates from ``former`` to this, and how long the disk lasts at that pace; None where nothing tells."""
        passed_s = self.at_s - former.at_s if former else 0.0
        if former is None or passed_s <= 0 or former.figures.get("day") != self.figures.get("day"):
            return {"ticks_per_s": None, "bytes_per_s": None, "left_s": None}
        bytes_per_s = (self.size - former.size) / passed_s
        room = self.figures.get("free_bytes", 0) - self.figures.get("floor_bytes", 0)
        return {
            "ticks_per_s": round((self.ticks - former.ticks) / passed_s, 1),
            "bytes_per_s": round(bytes_per_s, 1),
            "left_s": round(max(0, room) / bytes_per_s) if bytes_per_s > 0 else None,
        }

    @property
    def size(self) -> int:
        """Bytes written."""
        return int(self.figures.get("bytes", 0))


def live_line(sample: Sample, former: Sample | None) -> str:
    """One line: the day, the pace, the size, and what the disk has left."""
    figures, pace = sample.figures, sample.since(former)
    if figures.get("state") == "alarm":
        error = figures.get("error") or {}
        return f"NOT RECORDING: {error.get('what', '')}: {error.get('why', '')}"
    parts = [
        str(figures.get("day", "starting")),
        f"{counted(pace['ticks_per_s'])} ticks/s" if pace["ticks_per_s"] is not None else "",
        f"{size(pace['bytes_per_s'])}/s" if pace["bytes_per_s"] is not None else "",
        f"{size(sample.size)} written",
        _disk(figures, pace["left_s"]),
        _unrecorded(figures),
    ]
    return "  ".join(part for part in parts if part)


def closing_lines(figures: Figures, ticks: int, elapsed_s: float, *, whole: bool | None) -> list[str]:
    """What was recorded, where, and whether all of it is safe. ``whole`` None: others have it go on."""
    wrote = f"{counted(ticks)} ticks in {counted(figures.get('records', 0))} records"
    lines = [f"Recorded {wrote}, {size(figures.get('bytes', 0))} in {span(elapsed_s)}, to {_folder(figures)}"]
    if whole is None:
        lines.append("The feed goes on recording, for others.")
    else:
        lines.append("All of it is on disk." if whole else "NOT all of it could be written to disk.")
    return lines + ([f"Missing: {_unrecorded(figures)}"] if figures.get("unrecorded") else [])


def _folder(figures: Figures) -> str:
    path = figures.get("path")
    return str(Path(path).parent if path and Path(path).suffix else path)


def _disk(figures: Figures, left_s: float | None) -> str:
    if "free_bytes" not in figures:
        return ""
    return f"{size(figures['free_bytes'])} free" + (f", {span(left_s)} left" if left_s is not None else "")


def _unrecorded(figures: Figures) -> str:
    missing = figures.get("unrecorded", 0)
    return f"{counted(missing)} messages unrecorded" if missing else ""
