"""Decoding alone: full packets into a ring, beside the official client's parser on the same frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from driver import Blob, Driver
from frames import frames, mixed_frames
from kitecli.hot import FramePass
from kitecli.market.tick import MODE_FULL
from kitecli.protocol.decoder import decode_frame
from measure import Cost, Scale, in_turns
from report import Row, Table, less
from rings import ring, ring_ticks
from whole_pass import copied_in_python, through_python

_COMPILED_LIMIT_NS = 50.0  # 20 million a second
_REFERENCE_LIMIT_NS = 1000.0  # a million a second
OFFICIAL_SHARE = 50
"""The official parser gets every fiftieth frame, or a round of it would take half a minute."""


def run(scale: Scale) -> list[Table]:
    return [_compiled(scale), _reference(scale)]


def _compiled(scale: Scale) -> Table:
    count = scale.pick(200_000, 25_000, 500)
    messages = frames(count, MODE_FULL, 50)
    fewer = messages[::OFFICIAL_SHARE]
    with ring(ring_ticks(scale)) as memory, ring(memory.layout.capacity) as other:
        driver = Driver(other)
        costs = in_turns(_candidates(FramePass(memory), driver, messages, fewer), scale.pick(15, 5, 1))
        driver.close()
    official = costs["official"].per(50 * len(fewer))
    rows = [
        _row("the whole pass, board and links too", costs["whole"].per(count, costs["copy"]), official),
        _row("decode alone, from C", costs["decode"].per(count, costs["c copy"]), official),
    ]
    return Table(
        "decode",
        "Full packets into a ring, 50 a frame",
        "ns a tick",
        "KiteTicker._parse_binary",
        rows,
        (
            "the copy into the receive buffer is taken off; CPU time is held against the target",
            (
                f"million ticks a second: {_millions(rows[0].ours)} by the pass, {_millions(rows[1].ours)} decoded "
                f"alone, {_millions(official[0])} by the official parser"
            ),
        ),
    )


def _candidates(
    ours: FramePass, driver: Driver, messages: Sequence[bytes], fewer: Sequence[bytes]
) -> dict[str, Callable[[], object]]:
    blob = Blob(messages)
    return {
        "whole": through_python(ours, messages),
        "copy": copied_in_python(messages),
        "decode": lambda: driver.decode_full(blob),
        "c copy": lambda: driver.copy(blob),
        "official": _each(_official_parser(), fewer),
    }


def _official_parser() -> Callable[[bytes], object]:
    from kiteconnect import KiteTicker

    parse: Callable[[bytes], object] = KiteTicker("key", "token")._parse_binary  # noqa: SLF001 - it has no other name
    return parse


def _each(decode: Callable[[bytes], object], messages: Sequence[bytes]) -> Callable[[], None]:
    def all_of_them() -> None:
        for message in messages:
            decode(message)

    return all_of_them


def _row(what: str, ours: tuple[float, float], official: tuple[float, float]) -> Row:
    limit = _COMPILED_LIMIT_NS
    return Row(what, *ours, *official, less(official[1], ours[1]), f"<= {limit:.0f}", ours[1] <= limit)


def _millions(ns: float) -> str:
    return f"{1e3 / ns:,.3g}"


def _reference(scale: Scale) -> Table:
    count, parse = scale.pick(20_000, 5_000, 500), _official_parser()
    kinds = {"500 full packets": frames(count, MODE_FULL, 500), "500 mixed": mixed_frames(count, 500)}
    rows = []
    for what, messages in kinds.items():
        candidates = {"ours": _each(decode_frame, messages), "official": _each(parse, messages[:1])}
        rows.append(_reference_row(what, in_turns(candidates, scale.pick(15, 5, 1)), count))
    return Table(
        "decode",
        "The reference decoder, 500 packets a frame",
        "ns a tick",
        "KiteTicker._parse_binary",
        rows,
        ("decode_frame allocates what it returns; it serves where no compiler was",),
    )


def _reference_row(what: str, costs: dict[str, Cost], count: int) -> Row:
    ours, official = costs["ours"].per(count), costs["official"].per(500)
    limit = _REFERENCE_LIMIT_NS
    return Row(what, *ours, *official, less(official[1], ours[1]), f"<= {limit:,.0f}", ours[1] <= limit)
