"""What a feed did between two looks at its figures, for the log. Sans I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kitecli.ring.layout import DAMAGE

Stats = Mapping[str, Any]
"""A gateway's account of itself, as docs/control-socket.md has it."""


class Pace:
    """Each look gives what came since the last, over ``passed_s`` of the caller's clock."""

    def __init__(self, stats: Stats, cpu_s: float) -> None:
        self._last = stats["counters"]
        self._cpu_s = cpu_s

    def since(self, stats: Stats, cpu_s: float, passed_s: float) -> dict[str, object]:
        """``cpu_s``: the processor time this process has taken so far. Rates are per second; readers as they stand."""
        now, last = stats["counters"], self._last
        came = {name: now[name] - last[name] for name in ("ticks", "frames", "bytes")}
        spent_s, self._last, self._cpu_s = cpu_s - self._cpu_s, now, cpu_s
        passed_s = max(passed_s, 1e-9)
        return {
            "seconds": round(passed_s, 3),
            **came,
            "ticks_per_s": round(came["ticks"] / passed_s, 1),
            "bytes_per_s": round(came["bytes"] / passed_s, 1),
            "cpu_percent": round(100 * spent_s / passed_s, 2),
            "damaged": sum(now.get(kind, 0) - last.get(kind, 0) for kind in DAMAGE),
            "readers": len(stats["readers"]),
            "reader_lost": sum(one["lost"] for one in stats["readers"]),
            "reader_lag": max((one["lag"] for one in stats["readers"]), default=0),
            **_recorded(stats.get("recording")),
        }


def _recorded(recording: Stats | None) -> dict[str, object]:
    if not recording or "bytes" not in recording:
        return {}
    shown = ("bytes", "unrecorded", "free_bytes")
    return {f"recording_{name}": recording[name] for name in shown}
