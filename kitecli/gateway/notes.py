"""What a feed says of itself, as records of its log. Sans I/O.

An order's content is nobody's business but its owner's: that one came is told, not what stands in it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from kitecli.clock import NS_PER_S
from kitecli.gateway.spec import GatewayEvent

INSTRUMENTS_SHOWN: Final = 20
Component = Literal["feed", "recording"]


@dataclass(frozen=True, slots=True)
class Note:
    """One record: who says it, how grave it is (a level of :mod:`logging`), the words, and fields for programs."""

    component: Component
    level: int
    what: str
    fields: Mapping[str, object] = field(default_factory=dict)


def note_of(event: GatewayEvent) -> Note:
    """The record an event is worth."""
    match event.kind:
        case "connection":
            return _connection(event)
        case "gap":
            return _gap(event)
        case "recording":
            return _recording(event)
        case "message":
            return _message(event)
        case "silent":
            return _silent(event)
        case "stopped":
            return Note("feed", logging.INFO, f"the feed ends: {event.data}", {"event": "stopped", "by": event.data})
        case "failed":
            return Note("feed", logging.ERROR, f"the feed has failed{_because(event)}", _fields(event))
    return Note("feed", logging.INFO, "the ring can be read", _fields(event))


def _connection(event: GatewayEvent) -> Note:
    grave = {"auth": logging.ERROR, "down": logging.ERROR, "stale": logging.WARNING}
    level = grave.get(event.state, logging.WARNING if event.error else logging.INFO)
    again = "" if event.retry_in_s is None else f"; trying again in {event.retry_in_s:.1f} s"
    what = f"connection {event.connection} is {event.state}{_because(event)}{again}"
    return Note("feed", level, what, {**_fields(event), "retry_in_s": event.retry_in_s})


def _gap(event: GatewayEvent) -> Note:
    gap: dict[str, Any] = event.data if isinstance(event.data, dict) else {}  # Any: a GapRecord's values
    number, count = gap.get("number"), len(gap.get("tokens", ()))
    fields = {**_fields(event), "number": number, "instruments": count, "cause": gap.get("cause")}
    if gap.get("to_ns") is None:
        what = f"outage {number} of connection {event.connection} begins, {count:,} instruments: {gap.get('cause')}"
        return Note("feed", logging.WARNING, what, fields)
    lasted_s = (gap["to_ns"] - gap["from_ns"]) / NS_PER_S
    what = f"outage {number} of connection {event.connection} is over after {lasted_s:.2f} s"
    return Note("feed", logging.INFO, what, {**fields, "lasted_s": round(lasted_s, 3)})


def _recording(event: GatewayEvent) -> Note:
    data = event.data if isinstance(event.data, dict) else {}
    grave = event.state in ("alarm", "refused") or bool(event.error)
    shown = {
        name: data[name] for name in ("path", "day", "records", "bytes", "unrecorded", "free_bytes") if name in data
    }
    level = logging.ERROR if grave else logging.INFO
    return Note("recording", level, f"recording is {event.state}{_because(event)}", {**_fields(event), **shown})


def _message(event: GatewayEvent) -> Note:
    if event.error:
        return Note("feed", logging.ERROR, f"the feed goes on after a problem{_because(event)}", _fields(event))
    if event.state in ("error", "message"):
        level = logging.WARNING if event.state == "error" else logging.INFO
        return Note("feed", level, f"the broker says: {event.data}", _fields(event))
    return Note("feed", logging.DEBUG, f"the broker sent a text of the kind {event.state!r}", _fields(event))


def _silent(event: GatewayEvent) -> Note:
    tokens = event.data if isinstance(event.data, list) else []
    fields = {**_fields(event), "instruments": len(tokens), "tokens": tokens[:INSTRUMENTS_SHOWN]}
    if event.state == "back":
        return Note("feed", logging.INFO, f"{len(tokens)} instruments tick again", fields)
    return Note(
        "feed", logging.WARNING, f"{len(tokens)} instruments don't tick though their connection streams", fields
    )


def _fields(event: GatewayEvent) -> dict[str, object]:
    said = {"event": event.kind, "connection": event.connection, "state": event.state, "error": event.error}
    return {name: value for name, value in said.items() if value not in (None, "", {})}


def _because(event: GatewayEvent) -> str:
    if not event.error:
        return ""
    what, why = event.error.get("what", ""), event.error.get("why", "")
    return f": {what}: {why}" if why else f": {what}"
