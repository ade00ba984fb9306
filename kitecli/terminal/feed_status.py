"""What ``kite status`` prints of a feed: a few short tables made of its own account of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kitecli.clock import NS_PER_S, ist
from kitecli.ring.layout import DAMAGE
from kitecli.terminal.numbers import age, counted, size
from kitecli.terminal.replay_line import speed_text

GAPS_SHOWN: Final = 5
CAUSE_WIDTH: Final = 60

Status = Mapping[str, Any]
"""JSON of another process, as docs/control-socket.md has it."""


@dataclass(frozen=True, slots=True)
class Section:
    """A table: what its rows are, its columns' heads, and the rows."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def sections(status: Status, now_ns: int) -> list[Section]:
    """The tables of one feed; those without rows are left out. Of a replay ages are told by its own time."""
    now_ns = status["replay"]["at_ns"] if "replay" in status else now_ns
    made = (_feed(status), _connections(status, now_ns), _clients(status), _readers(status), _gaps(status))
    return [section for section in made if section.rows]


def _feed(status: Status) -> Section:
    ring, counters = status["ring"], status["counters"]
    rows = [
        ("feed", f"{status['name']}{' ' + status['label'] if status['label'] else ''}"),
        *_replay(status),
        ("process", f"{status['pid']}, up {age(status['uptime_s'])}{', daemon' if status['daemon'] else ''}"),
        ("instruments", counted(status["instruments"])),
        ("ticks", f"{counted(ring['produced'])} in {counted(counters['frames'])} messages"),
        ("ring", f"{counted(ring['capacity'])} ticks"),
        *_bars(status),
        *_recording(status),
        ("outages", f"{status['gaps']['total']}, {status['gaps']['open']} of them open"),
    ]
    damage = sum(counters[kind] for kind in DAMAGE)
    return Section("feed", ("", ""), [*rows, *([("damaged", counted(damage))] if damage else [])])


def _replay(status: Status) -> list[tuple[str, str]]:
    """What nobody should take for the market."""
    said = status.get("replay")
    if not said:
        return []
    return [("replay of", f"{said['day']} {_clock(said['at_ns'])}, {speed_text(said['speed'])}, {said['state']}")]


def _bars(status: Status) -> list[tuple[str, str]]:
    """Nothing where none are built."""
    bars = status.get("bars")
    if not bars:
        return []
    closed, revisions = (counted(bars["counters"][name]) for name in ("bars", "revisions"))
    return [("bars", f"{closed} closed, {revisions} revisions; {', '.join(bars['published'])}")]


def _recording(status: Status) -> list[tuple[str, str]]:
    """Where to, and whether all is well; nothing where it isn't recorded."""
    said = status.get("recording")
    if not said:
        return []
    rows = [("recording", f"{said['state']}, to {said['store']}")]
    if "records" in said:
        safe = counted(said["acknowledged"][said["level"]])
        unsafe = "kill" if said["level"] == "process" else "power cut"
        rows.append(("recorded", f"{size(said['bytes'])} of {said['day']}; {safe} records survive a {unsafe}"))
    if said["error"]:
        rows.append(("not recorded", _cause(said["error"])))
    return rows + ([("missing", f"{counted(said['unrecorded'])} messages")] if said.get("unrecorded") else [])


def _connections(status: Status, now_ns: int) -> Section:
    rows = [
        (
            str(connection["index"]),
            connection["state"],
            _clock(connection["since_ns"]),
            counted(connection["instruments"]),
            _ago(connection["last_frame_ns"], now_ns),
            _ago(connection["last_tick_ns"], now_ns),
            _cause(connection["cause"]),
        )
        for connection in status["connections"]
    ]
    return Section("connection", ("#", "STATE", "SINCE", "INSTRUMENTS", "HEARD", "TICK", "CAUSE"), rows)


def _clients(status: Status) -> Section:
    rows = [
        (client["name"], str(client["pid"]), counted(client["instruments"]), _clock(client["since_ns"]))
        for client in status["clients"]
        if not client["observer"]
    ]
    return Section("client", ("CLIENT", "PID", "HOLDS", "SINCE"), rows)


def _readers(status: Status) -> Section:
    rows = [
        (
            str(reader["pid"]),
            str(reader["policy"]),
            *(counted(reader[count]) for count in ("delivered", "conflated", "lost", "lag")),
        )
        for reader in status["readers"]
    ]
    return Section("reader", ("READER", "POLICY", "DELIVERED", "CONFLATED", "LOST", "LAG"), rows)


def _gaps(status: Status) -> Section:
    rows = [
        (
            str(gap["connection"]),
            _clock(gap["from_ns"]),
            "open" if gap["to_ns"] is None else f"{(gap['to_ns'] - gap['from_ns']) / NS_PER_S:.2f} s",
            counted(gap["instruments"]),
            _short(gap["cause"]),
        )
        for gap in status["gaps"]["newest"][-GAPS_SHOWN:]
    ]
    return Section("outage", ("OUTAGE", "FROM", "LASTED", "INSTRUMENTS", "CAUSE"), rows)


def _clock(at_ns: int | None) -> str:
    return "" if at_ns is None else f"{ist(at_ns // NS_PER_S):%H:%M:%S} IST"


def _ago(at_ns: int | None, now_ns: int) -> str:
    return "" if not at_ns else age((now_ns - at_ns) / NS_PER_S)


def _cause(error: Mapping[str, str] | None) -> str:
    return "" if not error else _short(f"{error['what']}: {error['why']}")


def _short(text: str) -> str:
    return text if len(text) <= CAUSE_WIDTH else text[: CAUSE_WIDTH - 1] + "…"
