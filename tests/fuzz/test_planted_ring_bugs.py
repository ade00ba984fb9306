"""What the conformance vectors cannot see, the comparison of memories does: bugs planted in ring and board."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.conformance.native import NativePass, compile_pass, headers, needs_compiler
from tests.fuzz.frames import steps
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
    "two instruments in one row": ("pass->table[at].token != token", "0"),
    "off the board, uncounted": ("pass->counters[COUNT_OFF_BOARD]++;", ""),
    "off the board, linked": ("pass->links[slot] = 0;", ""),
    "the intent left high": ("kite_store_release(pass->intent, start + written);", ""),
    "ticks uncounted": ("pass->counters[COUNT_TICKS] += (uint64_t)written;", ""),
    "the token missing in the board's list": ("pass->meta[row].token = token;", ""),
    "a snapshot unflagged": ("found->tail |= (uint32_t)FLAG_SNAPSHOT << 16;", ""),
    "snapshots for ever": ("entry->place &= ROW_MASK;\n", ""),
    "one snapshot at most": ("wanted == MODE_QUOTE ? 1 : 2", "1"),
    "two snapshots in quote mode": ("wanted == MODE_QUOTE ? 1 : 2", "2"),
    "two snapshots whatever the mode": ("due > 1 && kite_mode_of(length) != wanted", "due > 1"),
    "an index in full taken for a quote": (
        "length == FULL_LENGTH || length == INDEX_FULL_LENGTH ? MODE_FULL",
        "length == FULL_LENGTH ? MODE_FULL",
    ),
    "expected by the former mode": ("entry->place = (entry->place & ROW_MASK) | due", "entry->place |= due"),
    "an expected instrument without a row": (
        "entry->place == 0 && kite_pass_add_row(pass, entry, token) < 0 ?",
        "entry->place == 0 ?",
    ),
    "no heartbeat": ("*pass->heartbeat_ns = ts_recv_ns;", ""),
}


@pytest.mark.parametrize("bug", BUGS)
def test_it_is_noticed(bug: str, tmp_path: Path):
    sources = headers()
    right, wrong = BUGS[bug]
    assert sources["pass.h"].count(right) == 1, f"pass.h has changed: {right!r} should stand there once"
    sources["pass.h"] = sources["pass.h"].replace(right, wrong)
    make = partial(NativePass, compile_pass(tmp_path, sources))
    assert any(disagreement(steps(seed, 200), Pair(layout_of(seed), make))[0] for seed in range(10))
