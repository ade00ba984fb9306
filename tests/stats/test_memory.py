"""Who holds how much memory."""

from __future__ import annotations

import mmap
import os
import sys

import pytest

from kitecli.stats.looking import FeedLooker
from kitecli.stats.memory import measure, process_memory, shared_bytes

MB = 1 << 20
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

SMAPS = """\
5600000-5700000 r-xp 00000000 08:01 42    /usr/bin/python3.11
Rss:                 900 kB
Private_Clean:        10 kB
Private_Dirty:         4 kB
6000000-6100000 rw-p 00000000 00:00 0     [heap]
Private_Clean:         0 kB
Private_Dirty:       200 kB
7f00000-7f10000 rw-p 00000000 00:00 0
Private_Dirty:       100 kB
7f20000-7f30000 rw-s 00000000 00:17 5     {ring}
Private_Clean:         0 kB
Private_Dirty:      5000 kB
7f40000-7f50000 r--s 00000000 00:17 6     {bars}
Private_Dirty:       700 kB
"""


def test_a_process_is_measured_without_the_feed_s_files(tmp_path):
    ring = tmp_path / "feed-0123abcd.ring"
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "smaps").write_text(SMAPS.format(ring=ring, bars=ring.with_suffix(".bars")))
    found = process_memory("feed", 7, ring, tmp_path)
    assert (found.heap_bytes, found.code_bytes) == (300 * 1024, 14 * 1024)
    assert process_memory("feed", 8, ring, tmp_path) is None


def test_files_are_counted_by_component(standing):
    found = shared_bytes(standing.memory.path)
    assert set(found) == {"ring and board", "readers' seats", "figures"}
    assert found["ring and board"] >= standing.memory.layout.total_bytes


@linux
def test_a_whole_feed(standing):
    standing.read(0)
    with FeedLooker(standing.card) as looker:
        before = measure(looker.look(0)).as_dict()
        kept = mmap.mmap(-1, 32 * MB)
        kept.write(b"x" * (32 * MB))
        after = measure(looker.look(0)).as_dict()
        kept.close()
    (mine,) = after["processes"]
    assert (mine["what"], mine["pid"], after["unmeasured"]) == ("feed", os.getpid(), [])
    assert after["total"]["bytes"] == after["total"]["shared_bytes"] + after["total"]["private_bytes"]
    assert after["total"]["shared_bytes"] == sum(after["shared"].values())
    assert after["total"]["private_bytes"] - before["total"]["private_bytes"] > 0


def test_what_the_system_doesn_t_tell_is_said(standing, tmp_path):
    with FeedLooker(standing.card) as looker:
        found = measure(looker.look(0), proc=tmp_path).as_dict()
    assert (found["processes"], found["unmeasured"], found["total"]["private_bytes"]) == ([], [os.getpid()], 0)
