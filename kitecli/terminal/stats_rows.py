"""What ``kite stats`` prints: short tables made of the figures of docs/stats.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kitecli.clock import NS_PER_S, ist
from kitecli.metrics.stages import STAGES
from kitecli.ring.layout import DAMAGE
from kitecli.terminal.feed_status import Section
from kitecli.terminal.numbers import age, counted, duration, grouped, size

Plain = Mapping[str, Any]
"""As :func:`kitecli.stats.rates.as_plain` makes it."""
Name = Callable[[int], str]


def sections(stats: Plain, name: Name = str) -> list[Section]:
    """The tables of one feed; those without rows are left out. ``name``: of an instrument, by its token."""
    made = (
        _feed(stats),
        _stages(stats),
        _connections(stats),
        _readers(stats),
        _instruments("active", "MOST ACTIVE", stats["active"], name),
        _instruments("slowest", "SLOWEST", stats["slowest"], name),
    )
    return [section for section in made if section.rows]


def _feed(stats: Plain) -> Section:
    feed, rates, ring = stats["feed"], stats["per_s"], stats["buffer"]
    links = f"{stats['connections_up']} up of {len(stats['connections'])}, {stats['reconnects']} reconnects"
    rows = [
        ("feed", f"{feed['name']}{' ' + feed['label'] if feed['label'] else ''}, process {feed['pid']}"),
        ("ticks", f"{counted(rates['ticks'])} a second in {counted(rates['frames'])} messages"),
        ("received", f"{size(rates['bytes'])} a second"),
        ("so far", f"{counted(stats['counters']['ticks'])} ticks since {_clock(feed['since_ns'])}"),
        ("connections", links),
        ("instruments", f"{counted(stats['instruments'])} for {stats['clients']} clients"),
        ("buffer", f"{ring['usage']:.1%} used: the slowest reader is {counted(ring['lag'])} ticks behind"),
        ("outages", f"{stats['gaps']['total']}, {stats['gaps']['open']} of them open"),
        *_recording(stats["recording"]),
        ("clock", _offset(stats["clock"])),
    ]
    damage = ", ".join(f"{counted(stats['counters'][kind])} {kind}" for kind in DAMAGE if stats["counters"][kind])
    return Section("feed", ("", ""), [*rows, *([("damaged", damage)] if damage else [])])


def _recording(said: Plain) -> list[tuple[str, str]]:
    if said["state"] == "off":
        return []
    text = f"{said['state']}, {size(said['bytes'])}, {size(said['waiting_bytes'])} waiting for the disk"
    missing = [("not recorded", f"{counted(said['unrecorded'])} messages")] if said["unrecorded"] else []
    return [("recording", text), *missing]


def _offset(clock: Plain | None) -> str:
    if clock is None:
        return "how far it is off is unknown: nothing on this machine tells"
    ahead = clock["offset_ns"] >= 0
    off = f"{duration(abs(clock['offset_ns']))} {'ahead of' if ahead else 'behind'} UTC"
    return f"{off}, give or take {duration(clock['uncertainty_ns'])}"


def _stages(stats: Plain) -> Section:
    """The feed's stages once, those of readers once for each."""
    sets = [("", "feed", stats["stages_ns"])]
    sets += [(f" {one['seat']:02d}", "reader", one["stages_ns"]) for one in stats["readers"]]
    rows = [
        (f"{stage.name}{mark}", counted(taken["count"]), *(duration(taken[part]) for part in _PARTS))
        for stage in STAGES
        for mark, by, stages in sets
        if by == stage.by and (taken := stages.get(stage.name)) and taken["count"]
    ]
    return Section("stage", ("STAGE", "COUNT", "P50", "P90", "P99", "P99.9", "MAX"), rows)


_PARTS = ("p50", "p90", "p99", "p99_9", "max")


def _connections(stats: Plain) -> Section:
    rows = [
        (
            str(one["index"]),
            one["state"],
            _clock(one["since_ns"]),
            counted(one["instruments"]),
            counted(one["ticks_per_s"]),
            size(one["bytes_per_s"]),
            duration(one["rtt_ns"]),
        )
        for one in stats["connections"]
    ]
    return Section("connection", ("#", "STATE", "SINCE", "INSTRUMENTS", "TICKS/S", "BYTES/S", "PING"), rows)


def _readers(stats: Plain) -> Section:
    rows = [
        (
            f"{one['seat']:02d}",
            str(one["pid"]),
            one["policy"],
            counted(one["delivered_per_s"]),
            counted(one["conflated"]),
            counted(one["lost"]),
            counted(one["lag"]),
        )
        for one in stats["readers"]
    ]
    return Section("reader", ("READER", "PID", "POLICY", "TICKS/S", "CONFLATED", "LOST", "LAG"), rows)


def _instruments(title: str, head: str, found: list[dict[str, Any]], name: Name) -> Section:
    rows = [
        (name(one["token"]), grouped(one["ticks_per_s"], 1), "" if one["age_s"] is None else age(one["age_s"]))
        for one in found
    ]
    return Section(title, (head, "TICKS/S", "AGE"), rows)


def memory_sections(memory: Plain) -> list[Section]:
    """Who holds how much: what all share, and what each process has to itself."""
    total = memory["total"]
    shared = [(what, "shared", size(count)) for what, count in memory["shared"].items()]
    own = [
        (f"{one['what']} {one['pid']}: {part}", "private", size(one[f"{part}_bytes"]))
        for one in memory["processes"]
        for part in ("heap", "code")
    ]
    unmeasured = [(f"process {pid}", "private", "not told by this system") for pid in memory["unmeasured"]]
    sums = [("total", kind, size(total[f"{kind}_bytes"])) for kind in ("shared", "private")]
    return [Section("memory", ("COMPONENT", "KIND", "BYTES"), [*shared, *own, *unmeasured, *sums])]


def _clock(at_ns: int | None) -> str:
    return "" if at_ns is None else f"{ist(at_ns // NS_PER_S):%H:%M:%S} IST"
