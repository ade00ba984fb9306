"""What the conformance vectors cannot see, the comparison of memories does: bugs planted in ring and board."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.conformance.native import HEADERS, NativePass, compile_pass, needs_compiler
from tests.fuzz.frames import frames
from tests.fuzz.test_agreement import Pair, disagreement, layout_of

pytestmark = needs_compiler

BUGS = {
    "a link one too far": ("distance = sequence + 1 - previous", "distance = sequence + 2 - previous"),
    "a link to nowhere": ("previous != 0 && ", ""),
    "the version left odd": (
        "sequence + 1);\n    kite_store_release32(&meta->version, meta->version + 1);",
        "sequence + 1);",
    ),
    "the board one behind": (
        "kite_store_release(&meta->next_sequence, sequence + 1)",
        "meta->next_sequence = sequence",
    ),
    "depth not on the board": ("kite_put_depth(db, p);", ""),
    "depth at the tick's slot": ("(uint64_t)sequence & pass->depth_mask", "slot"),
    "two instruments in one row": ("entry.token == token", "1"),
    "off the board, uncounted": ("pass->counters[COUNT_OFF_BOARD]++;", ""),
    "off the board, linked": ("pass->links[slot] = 0;", ""),
    "the intent left high": ("kite_store_release(pass->intent, start + written);", ""),
    "ticks uncounted": ("pass->counters[COUNT_TICKS] += (uint64_t)written;", ""),
    "the token missing in the board's list": ("pass->meta[row].token = token;", ""),
    "no heartbeat": ("*pass->heartbeat_ns = ts_recv_ns;", ""),
}


@pytest.mark.parametrize("bug", BUGS)
def test_it_is_noticed(bug: str, tmp_path: Path):
    sources = {name: (HEADERS / name).read_text() for name in ("pass.h", "portable.h")}
    right, wrong = BUGS[bug]
    assert sources["pass.h"].count(right) == 1, f"pass.h has changed: {right!r} should stand there once"
    sources["pass.h"] = sources["pass.h"].replace(right, wrong)
    make = partial(NativePass, compile_pass(tmp_path, sources))
    assert any(disagreement(frames(seed, 200), Pair(layout_of(seed), make))[0] for seed in range(10))
