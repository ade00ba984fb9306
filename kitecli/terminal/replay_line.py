"""One line about a replay, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kitecli.clock import NS_PER_S, ist
from kitecli.terminal.numbers import counted

KEYS: Final = "space pause · ←→ 1 min · ↓↑ 10 min · +- speed · q end"
WAITS: Final = "waits for a reader: kite feed --replay, kite bars --replay SYMBOL"

Progress = Mapping[str, Any]
"""As :meth:`kitecli.replay.gateway.ReplayGateway.progress` has it."""


def replay_line(progress: Progress, ticks: int, ticks_per_s: float, lost: int, width: int) -> str:
    """How far it has come and how fast; the keys where there is room."""
    if progress["state"] == "waiting":
        return f"{progress['day']} {WAITS}"[:width]
    at = f"{ist(progress['at_ns'] // NS_PER_S):%H:%M:%S} IST"
    rate = f", {counted(ticks_per_s)}/s" if progress["state"] == "playing" else ""
    missed = f" · readers lost {counted(lost)}" if lost else ""
    parts = f"{progress['day']} {at} · {speed_text(progress['speed'])} {progress['state']} · {counted(ticks)} ticks"
    line = f"{parts}{rate}{missed}"
    return (f"{line} · {KEYS}" if len(line) + len(KEYS) + 3 <= width else line)[:width]


def speed_text(speed: float) -> str:
    return f"{speed:g}×" if speed else "full speed"
