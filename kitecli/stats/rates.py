"""Two looks at a feed side by side: what went on between them, a second. Sans I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kitecli.feed.liveness import State
from kitecli.gateway.figures import RECORDING_STATES
from kitecli.metrics.block import SlotFigures
from kitecli.metrics.histogram import LatencyHistogram
from kitecli.metrics.layout import LINE_COUNTERS, LINES, UNKNOWN, line_counter
from kitecli.metrics.stages import STAGES
from kitecli.stats.looking import Look, ReaderLook

_NS_PER_S: Final = 1e9
_TICKS_MODULO: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class Span:
    """The time between two looks at one feed, ``before`` and ``now``."""

    before: Look
    now: Look

    @property
    def seconds(self) -> float:
        return max((self.now.at_ns - self.before.at_ns) / _NS_PER_S, 1e-9)

    def per_s(self, counter: str) -> float:
        """A counter of the pass."""
        return (self.now.counters[counter] - self.before.counters[counter]) / self.seconds

    def connections(self) -> list[dict[str, Any]]:
        """One row for each connection; times in nanoseconds, None where there was nothing yet."""
        return [self._connection(line) for line in range(min(LINES, self.now.feed.counters["connections"]))]

    def readers(self) -> list[dict[str, Any]]:
        """One row for each reader with a seat."""
        before = {(one.seat, one.seated.pid): one for one in self.before.readers}
        return [self._reader(one, before.get((one.seat, one.seated.pid))) for one in self.now.readers]

    def active(self, count: int) -> list[dict[str, Any]]:
        """The instruments with the most ticks, the busiest first."""
        ticks = self._ticks()
        order = np.argsort(-ticks, kind="stable")[:count]
        return [self._instrument(row, int(ticks[row])) for row in order if ticks[row]]

    def slowest(self, count: int) -> list[dict[str, Any]]:
        """The instruments whose latest tick is oldest, the oldest first; those that never ticked aren't among them."""
        last, ticks = self.now.board.last_ns, self._ticks()
        order = np.argsort(last, kind="stable")
        return [self._instrument(row, int(ticks[row])) for row in order[last[order] > 0][:count]]

    def stages(self) -> dict[str, LatencyHistogram]:
        """What the feed's own stages took between the looks."""
        return _stages(self.now.feed, self.before.feed, "feed")

    def reader_stages(self, seat: int) -> dict[str, LatencyHistogram]:
        """What the stages of a reader took; empty where it keeps no figures."""
        now, before = (next((one.figures for one in look.readers if one.seat == seat), None) for look in self._both)
        if now is None:
            return {}
        return _stages(now, before if before is not None and before.pid == now.pid else None, "reader")

    @property
    def _both(self) -> tuple[Look, Look]:
        return self.now, self.before

    def _connection(self, line: int) -> dict[str, Any]:
        now, before = (_of_line(look, line) for look in self._both)
        rates = {f"{name}_per_s": (now[name] - before[name]) / self.seconds for name in ("ticks", "frames", "bytes")}
        known = {name: now[name] or None for name in ("since_ns", "last_frame_ns", "last_tick_ns")}
        rtt_ns = None if now["rtt_ns"] == UNKNOWN else now["rtt_ns"]
        return {"index": line, **now, "state": list(State)[now["state"]].value, **known, "rtt_ns": rtt_ns, **rates}

    def _reader(self, now: ReaderLook, before: ReaderLook | None) -> dict[str, Any]:
        seated = now.seated
        since = seated.delivered - (before.seated.delivered if before else 0)
        return {
            "seat": now.seat,
            "pid": seated.pid,
            "policy": seated.policy.value,
            "delivered": seated.delivered,
            "conflated": seated.conflated,
            "lost": seated.lost,
            "lag": now.lag,
            "delivered_per_s": since / self.seconds,
            "stages_ns": told(self.reader_stages(now.seat)),
            "stages_since_start_ns": told(_stages(now.figures, None, "reader")) if now.figures else {},
        }

    def _ticks(self) -> NDArray[np.int64]:
        """Ticks of each instrument between the looks; of those that weren't there before, all."""
        ticks = self.now.board.ticks.astype(np.int64)
        known = len(self.before.board.ticks)
        ticks[:known] -= self.before.board.ticks
        return ticks % _TICKS_MODULO

    def _instrument(self, row: int, ticks: int) -> dict[str, Any]:
        board = self.now.board
        last_ns = int(board.last_ns[row])
        return {
            "token": int(board.tokens[row]),
            "ticks_per_s": ticks / self.seconds,
            "last_ns": last_ns or None,
            "age_s": (self.now.at_ns - last_ns) / _NS_PER_S if last_ns else None,
        }


def _of_line(look: Look, line: int) -> dict[str, int]:
    return {name: look.feed.counters[line_counter(line, name)] for name in LINE_COUNTERS}


def told(stages: dict[str, LatencyHistogram]) -> dict[str, dict[str, int | None]]:
    """Percentiles by stage, in nanoseconds."""
    return {name: stage.percentiles_ns() for name, stage in stages.items()}


def as_plain(span: Span, instruments: int = 10) -> dict[str, Any]:
    """Everything, for JSON; docs/stats.md has it field by field. The figures of stages are of the time between the
    looks, and counters of all the time since the feed began."""
    now, counters = span.now, span.now.feed.counters
    return {
        "feed": {"name": now.card.name, "label": now.card.label, "pid": now.card.pid, "since_ns": now.feed.created_ns},
        "at_ns": now.at_ns,
        "over_s": round(span.seconds, 6),
        "per_s": {name: span.per_s(name) for name in ("ticks", "frames", "bytes", "heartbeats")},
        "counters": now.counters,
        "connections_up": counters["connections_up"],
        "connections": span.connections(),
        "instruments": counters["instruments"],
        "clients": counters["clients"],
        "buffer": buffer(now),
        "gaps": {"total": counters["gaps"], "open": counters["gaps_open"]},
        "reconnects": counters["reconnects"],
        "recording": _recording(counters),
        "clock": clock(now),
        "stages_ns": told(span.stages()),
        "stages_since_start_ns": told(_stages(now.feed, None, "feed")),
        "readers": span.readers(),
        "active": span.active(instruments),
        "slowest": span.slowest(instruments),
    }


def buffer(look: Look) -> dict[str, float]:
    """How full the ring is for its slowest reader: at ``usage`` 1 that one loses ticks."""
    lag = max((one.lag for one in look.readers), default=0)
    return {"capacity": look.capacity, "produced": look.produced, "lag": lag, "usage": min(1.0, lag / look.capacity)}


def clock(look: Look) -> dict[str, int] | None:
    """How far the machine's clock was ahead of UTC, and how sure that is; None where nobody keeps it set."""
    counters = look.feed.counters
    if counters["clock_uncertainty_ns"] in (UNKNOWN, 0):
        return None
    return {"offset_ns": counters["clock_offset_ns"], "uncertainty_ns": counters["clock_uncertainty_ns"]}


def _recording(counters: dict[str, int]) -> dict[str, object]:
    names = {
        "recorded": "records",
        "recorded_on_disk": "records_on_disk",
        "recorded_bytes": "bytes",
        "unrecorded": "unrecorded",
        "recorder_waiting_bytes": "waiting_bytes",
    }
    counted = {shown: counters[name] for name, shown in names.items()}
    return {"state": RECORDING_STATES[counters["recording"]], **counted}


def _stages(now: SlotFigures, before: SlotFigures | None, by: str) -> dict[str, LatencyHistogram]:
    ours = [stage.name for stage in STAGES if stage.by == by and stage.name in now.stages]
    if before is None:
        return {name: now.stages[name] for name in ours}
    return {name: now.stages[name].since(before.stages[name]) for name in ours}
