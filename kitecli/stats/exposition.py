"""A look at a feed in Prometheus' text format 0.0.4. Sans I/O; docs/stats.md explains each metric.

The format is a few lines; the official client would be a dependency of 1.3 MB for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import numpy as np

from kitecli.feed.liveness import UP, State
from kitecli.metrics.histogram import BUCKETS, COUNTS, LatencyHistogram
from kitecli.metrics.layout import LINES, UNKNOWN, line_counter
from kitecli.metrics.stages import STAGES
from kitecli.ring.layout import DAMAGE
from kitecli.stats.looking import Look, ReaderLook
from kitecli.stats.rates import buffer

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
METRICS: Final = {
    "kite_feed_up": ("gauge", "1 while the feed runs."),
    "kite_feed_start_time_seconds": ("gauge", "When the feed began, seconds since 1970."),
    "kite_ticks_total": ("counter", "Ticks published."),
    "kite_messages_total": ("counter", "Binary messages received."),
    "kite_received_bytes_total": ("counter", "Bytes of binary messages received."),
    "kite_heartbeats_total": ("counter", "Heartbeats received."),
    "kite_damaged_total": ("counter", "Packets and messages that could not be read whole, by kind."),
    "kite_off_board_ticks_total": ("counter", "Ticks of instruments the board had no row for."),
    "kite_connections": ("gauge", "Connections the feed keeps."),
    "kite_connections_up": ("gauge", "Connections over which ticks come, or would if there were any."),
    "kite_connection_up": ("gauge", "1 while this connection streams."),
    "kite_connection_ticks_total": ("counter", "Ticks that came over this connection."),
    "kite_connection_messages_total": ("counter", "Binary messages that came over this connection."),
    "kite_connection_instruments": ("gauge", "Instruments this connection carries."),
    "kite_connection_round_trip_seconds": ("gauge", "How long the latest answered ping took."),
    "kite_reconnects_total": ("counter", "How often a connection has come back."),
    "kite_gaps_total": ("counter", "Outages since the feed began."),
    "kite_gaps_open": ("gauge", "Outages that last."),
    "kite_instruments": ("gauge", "Instruments wanted."),
    "kite_clients": ("gauge", "Programs at the feed, those that only look among them."),
    "kite_buffer_capacity_ticks": ("gauge", "Ticks the ring holds."),
    "kite_buffer_usage_ratio": ("gauge", "Lag of the slowest reader by the ring's capacity; at 1 it loses ticks."),
    "kite_recording": ("gauge", "1 while everything received is recorded."),
    "kite_recorded_records_total": ("counter", "Records of the day that survive the end of the process."),
    "kite_recorded_bytes_total": ("counter", "Bytes recorded."),
    "kite_recorder_waiting_bytes": ("gauge", "Bytes taken in by the recorder and not known on disk yet."),
    "kite_unrecorded_messages_total": ("counter", "Messages the recorder had no room for."),
    "kite_clock_offset_seconds": ("gauge", "How far this machine's clock is ahead of UTC; absent where unknown."),
    "kite_clock_uncertainty_seconds": ("gauge", "How sure the offset is; absent where unknown."),
    "kite_reader_delivered_ticks_total": ("counter", "Ticks this reader was given."),
    "kite_reader_conflated_ticks_total": ("counter", "Ticks replaced by newer ones before this reader saw them."),
    "kite_reader_lost_ticks_total": ("counter", "Ticks this reader lost."),
    "kite_reader_lag_ticks": ("gauge", "Ticks published that this reader has not read."),
    "kite_stage_seconds": ("histogram", "What each stage of a tick's way takes."),
    "kite_stage_max_seconds": ("gauge", "The longest a stage has taken since its process began."),
}
"""Every metric there is, in its order, with its type and what it is."""

EDGES_NS: Final = tuple((1 << bits) - 1 for bits in range(9, 36))
"""Upper edges of the buckets given out: each doubling from 0.5 us to 34 s. They are edges of the histogram's own
buckets, so that the counts are exact."""

_Labels: TypeAlias = dict[str, str | int]
_Sample: TypeAlias = tuple[str, _Labels, float]


def exposition(look: Look) -> str:
    """The page of a feed that runs."""
    return _page(look.card.name, (*_of_feed(look), *_of_connections(look), *_of_readers(look), *_of_stages(look)))


def absent(name: str) -> str:
    """The page where no feed of that name runs."""
    return _page(name, [("kite_feed_up", {}, 0)])


def _of_feed(look: Look) -> Iterator[_Sample]:
    counters, ring = look.feed.counters, look.counters
    yield "kite_feed_up", {}, 1
    yield "kite_feed_start_time_seconds", {}, look.feed.created_ns / 1e9
    for metric, counter in _RING.items():
        yield metric, {}, ring[counter]
    for kind in DAMAGE:
        yield "kite_damaged_total", {"kind": kind}, ring[kind]
    for metric, counter in _SLOT.items():
        yield metric, {}, counters[counter]
    yield "kite_buffer_capacity_ticks", {}, look.capacity
    yield "kite_buffer_usage_ratio", {}, buffer(look)["usage"]
    yield "kite_recording", {}, int(counters["recording"] == 2)
    if counters["clock_uncertainty_ns"] > 0:
        yield "kite_clock_offset_seconds", {}, counters["clock_offset_ns"] / 1e9
        yield "kite_clock_uncertainty_seconds", {}, counters["clock_uncertainty_ns"] / 1e9


_RING: Final = {
    "kite_ticks_total": "ticks",
    "kite_messages_total": "frames",
    "kite_received_bytes_total": "bytes",
    "kite_heartbeats_total": "heartbeats",
    "kite_off_board_ticks_total": "off_board",
}
_SLOT: Final = {
    "kite_connections": "connections",
    "kite_connections_up": "connections_up",
    "kite_reconnects_total": "reconnects",
    "kite_gaps_total": "gaps",
    "kite_gaps_open": "gaps_open",
    "kite_instruments": "instruments",
    "kite_clients": "clients",
    "kite_recorded_records_total": "recorded",
    "kite_recorded_bytes_total": "recorded_bytes",
    "kite_recorder_waiting_bytes": "recorder_waiting_bytes",
    "kite_unrecorded_messages_total": "unrecorded",
}
_LINE: Final = {
    "kite_connection_ticks_total": "ticks",
    "kite_connection_messages_total": "frames",
    "kite_connection_instruments": "instruments",
}


def _of_connections(look: Look) -> Iterator[_Sample]:
    counters = look.feed.counters
    for line in range(min(LINES, counters["connections"])):
        labels: _Labels = {"connection": line}
        yield "kite_connection_up", labels, int(list(State)[counters[line_counter(line, "state")]] in UP)
        for metric, counter in _LINE.items():
            yield metric, labels, counters[line_counter(line, counter)]
        if (rtt_ns := counters[line_counter(line, "rtt_ns")]) != UNKNOWN:
            yield "kite_connection_round_trip_seconds", labels, rtt_ns / 1e9


def _of_readers(look: Look) -> Iterator[_Sample]:
    for one in look.readers:
        labels = _reader_labels(one)
        yield "kite_reader_delivered_ticks_total", labels, one.seated.delivered
        yield "kite_reader_conflated_ticks_total", labels, one.seated.conflated
        yield "kite_reader_lost_ticks_total", labels, one.seated.lost
        yield "kite_reader_lag_ticks", labels, one.lag


def _of_stages(look: Look) -> Iterator[_Sample]:
    for stage in STAGES:
        if stage.by == "feed":
            yield from _of_stage({"stage": stage.name}, look.feed.stages[stage.name])
            continue
        for one in look.readers:
            if one.figures is not None and stage.name in one.figures.stages:
                yield from _of_stage({"stage": stage.name, **_reader_labels(one)}, one.figures.stages[stage.name])


def _of_stage(labels: _Labels, stage: LatencyHistogram) -> Iterator[_Sample]:
    filled = np.cumsum(stage.cells[COUNTS:])
    for edge_ns in EDGES_NS:
        yield "kite_stage_seconds_bucket", {**labels, "le": repr(edge_ns / 1e9)}, int(filled[_bucket_below(edge_ns)])
    yield "kite_stage_seconds_bucket", {**labels, "le": "+Inf"}, int(filled[-1])
    yield "kite_stage_seconds_sum", labels, stage.sum_ns / 1e9
    yield "kite_stage_seconds_count", labels, int(filled[-1])
    yield "kite_stage_max_seconds", labels, stage.max_ns / 1e9


def _bucket_below(edge_ns: int) -> int:
    """The bucket whose upper edge it is."""
    shift = max(edge_ns.bit_length() - 6, 0)
    return min((edge_ns >> shift) + (shift << 5), BUCKETS - 1)


def _reader_labels(one: ReaderLook) -> _Labels:
    return {"seat": one.seat, "pid": one.seated.pid}


def _page(feed: str, samples: Iterable[_Sample]) -> str:
    """Samples of one metric have to stand together, below what it is."""
    by_metric: dict[str, list[str]] = {name: [] for name in METRICS}
    for name, labels, value in samples:
        said = ",".join(f'{key}="{text}"' for key, text in {"feed": feed, **labels}.items())
        by_metric[_family(name)].append(f"{name}{{{said}}} {value}")
    lines = []
    for name, found in by_metric.items():
        kind, text = METRICS[name]
        lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *found] if found else []
    return "\n".join(lines) + "\n"


def _family(name: str) -> str:
    return name if name in METRICS else name.rpartition("_")[0]
