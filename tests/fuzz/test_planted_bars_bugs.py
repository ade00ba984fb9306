"""Bugs planted in the compiled bars, each noticed by the comparison of memories: so it would notice a real one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.native import NativePass, compile_pass, headers, needs_compiler
from tests.fuzz.bar_steps import bar_steps
from tests.fuzz.test_bars_agreement import Written
from tests.ring.implementations import REFERENCE

pytestmark = needs_compiler

SEEDS, FRAMES = range(12), 400
# what it is: where, the sound text, the broken one
BUGS = {
    "every tick ordinary": ("bars.h", "before >= 0 && ", ""),
    "a tick of another day ordinary": (
        "bars.h",
        "before |= since_midnight_ms | (KITE_DAY_MS - 1 - since_midnight_ms);",
        "",
    ),
    "less volume ordinary": ("bars.h", "before |= (int64_t)tick->volume - state->volume;", ""),
    "less volume sure": ("bars.h", " && tick.volume < state->volume", " && 0"),
    "an older tick sure": ("bars.h", "tick.event_ms < state->last_ms", "0"),
    "another day's tick sure": ("bars.h", "end_ms < midnight_ms + KITE_DAY_MS ? end_ms :", "1 ? end_ms :"),
    "a bar's last tick sure": ("bars.h", " < state->sure_ms", " <= state->sure_ms"),
    "sure of what a sweep closed": ("bars_idle.h", "kite_bars_set_sure(bars, &at);", ""),
    "what it carries never noted": ("bars.h", "(state->flags ^ kind) | ", ""),
    "what it carries not noted when bars end": ("bars.h", " && state->flags == tick->kind", ""),
    "a snapshot an ordinary tick": ("bars.h", "bars->odd | (from->tail & (uint32_t)FLAG_SNAPSHOT << 16)", "bars->odd"),
    "a snapshot counted": ("bars.h", "    if (from->tail & (uint32_t)FLAG_SNAPSHOT << 16)", "    if (0)"),
    "a later snapshot before any tick compared": ("bars.h", "STATE_SEEN) || state->ticks == 0", "STATE_SEEN)"),
    "a bar one tick too long": ("bars.h", "t_ms >= hot->until_ms", "t_ms > hot->until_ms"),
    "counted bars by time alone": ("bars.h", " && !bars->counted", ""),
    "odd bars by stamps alone": ("bars_parts.h", "bars->odd = bars->counted || bars->fine;", ""),
    "auctions cut by counts": ("bars.h", " || cold->flags & BAR_WHOLE_SPAN", ""),
    "open interest of stocks": ("bars.h", "0x11ECu >> (token & 31) & !(token & 0xE0)", "1"),
    "a stamp of the future believed": ("bars.h", " || tick.event_ms > recv_ms + BARS_STAMP_AHEAD_MS", ""),
    "no grace behind the close": ("bars_parts.h", "bucket.until_ms += bars->grace_ms;", ";"),
    "the bucket found last for every tick": ("bars.h", "t_ms >= recent->start_ms && t_ms < recent->end_ms", "1"),
    "the bucket of another timeline": ("bars.h", "recent->timeline == timeline && ", ""),
    "the span looked up last": ("bars_parts.h", "if (t_ms < starts[at] || t_ms >= starts[at + 1])", "if (0)"),
    "the floor of one series": ("bars.h", "bars->stamped[series] && cold->start_ms >= state->floor_ms", "1"),
    "the floor left by a sweep": ("bars_idle.h", "kite_bars_set_floor(bars, &at);", ""),
    "a sweep that forgets the other clock": (
        "bars_idle.h",
        "clocks_ms[0] < bars->due_ms[0] && clocks_ms[1]",
        "clocks_ms[1]",
    ),
    "a sweep that forgets what it saw": (
        "bars_idle.h",
        "            kite_bars_note_due(bars, by, due_ms);\n            continue;",
        "            continue;",
    ),
    "a recorded day by our clock": (
        "bars_idle.h",
        "bars->clock_recv_ms - bars->clock_event_ms > BARS_PLAYED_MS",
        "0",
    ),
    "a day played joined now": ("bars.h", "tick->recv_ms - tick->event_ms > BARS_PLAYED_MS ?", "0 ?"),
    "before the first session of the same day": ("bars.h", "day--;", ";"),
    "figures that begin anew taken for trades": ("bars.h", "told->volume - former - told->amount", "0"),
    "a gap that never ends": ("bars.h", "state->flags &= (uint16_t)~(STATE_GAP | STATE_PARTIAL);", ""),
    "a count begun anew, uncounted": ("bars.h", "bars->counters[COUNT_RESETS]++;", ""),
    "a count begun anew, unmarked": (
        "bars.h",
        "[COUNT_RESETS]++;\n        kite_bars_flag",
        "[COUNT_RESETS]++;\n        if (0) kite_bars_flag",
    ),
    "forming bars robbed by a reset": ("bars.h", "at->cold[s].base_volume += jump;", ";"),
    "the first bar found in the past": ("bars_late.h", "<= start_ms && bar->revision == 0", "<= start_ms"),
    "the next bar but one": ("bars_late.h", "bar->start_ms < found.after->start_ms", "1"),
    "late for ever": ("bars_late.h", "sequence < oldest || ", ""),
    "a late tick counted twice": ("bars_late.h", "        forming->base_ticks++;", "        ;"),
    "a revision that isn't numbered": ("bars_late.h", "bar.revision += bar.revision < UINT8_MAX;", ""),
    "volume that two bars have": ("bars_late.h", "after.volume -= moved;", ""),
    "volume of another day": ("bars_late.h", " && kite_day_of(next_ms) == kite_day_of(start_ms)", ""),
    "volume a forming bar keeps": ("bars_late.h", "forming->base_volume += moved;", ""),
    "a link to nowhere": ("bars_parts.h", "cold->next_sequence != 0 && ", ""),
    "all series in one ring": ("bars_parts.h", "(uint64_t)series * bars->capacity + (", "("),
    "a close above the bar": ("bars_parts.h", "state->last_price > hot->high ? hot->high : ", ""),
    "places of a segment's neighbour": ("bars.h", "{0, 1, 2, 3, 4, 5, 6, 7, 0, 1,", "{0, 1, 2, 3, 4, 5, 6, 6, 0, 1,"),
    "a row placed nowhere": ("pass.h", "(entry->place & ROW_MASK) - 1)->timeline = timeline", "0)->flags |= 0"),
    "gaps of those never seen": ("bars_idle.h", "if (!(at.state->flags & STATE_SEEN))", "if (0)"),
}  # fmt: skip


@cache
def told_by_reference(seed: int) -> list[tuple[Any, int]]:
    """After each step what was answered and a sum of all memory."""
    return told(seed, REFERENCE.frame_pass)


def told(seed: int, make_pass: Callable[..., Any]) -> list[tuple[Any, int]]:
    one = Written(seed, make_pass)
    return [(one.take(step), one.sum()) for step in bar_steps(seed, FRAMES)]


def _some_in_every_run() -> list[Any]:
    """Each costs half a second of compiling."""
    return [pytest.param(bug, marks=pytest.mark.soak if number % 3 else ()) for number, bug in enumerate(BUGS)]


@pytest.mark.parametrize("bug", _some_in_every_run())
def test_it_is_noticed(bug: str, tmp_path: Path):
    sources = headers()
    where, right, wrong = BUGS[bug]
    assert sources[where].count(right) == 1, f"{where} has changed: {right!r} should stand there once"
    sources[where] = sources[where].replace(right, wrong)
    make = partial(NativePass, compile_pass(tmp_path, sources))
    assert any(told(seed, make) != told_by_reference(seed) for seed in SEEDS)


def test_without_a_bug_there_is_nothing_to_notice(tmp_path: Path):
    make = partial(NativePass, compile_pass(tmp_path, headers()))
    assert all(told(seed, make) == told_by_reference(seed) for seed in SEEDS)
