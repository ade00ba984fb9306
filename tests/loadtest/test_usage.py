"""What the kernel's files say of a process, and what is the feed's of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kitecli.errors import EnvironmentProblem
from kitecli.loadtest.usage import anonymous_bytes, cpu_s, memory, memory_of, usage

SMAPS = """\
55d0c0000000-55d0c0100000 r--p 00000000 fd:01 1234 /usr/bin/python3.11
Rss:                 800 kB
Private_Clean:         4 kB
Private_Dirty:         8 kB
7f0000000000-7f0000100000 rw-p 00000000 00:00 0
Rss:                 100 kB
Private_Clean:         0 kB
Private_Dirty:       100 kB
7f1000000000-7f1000100000 rw-s 00000000 00:19 9 /run/kite/loadtest-x/feed-1.ring
Rss:                 500 kB
Private_Clean:        16 kB
Private_Dirty:       300 kB
VmFlags: rd wr
"""


def test_pages_of_the_feeds_files_are_shared_whoever_has_looked_at_them():
    found = memory_of(SMAPS.splitlines(), "/run/kite/loadtest-x")
    assert (found.private_bytes, found.shared_bytes) == (112 * 1024, 500 * 1024)
    assert memory_of(SMAPS.splitlines(), "/elsewhere").private_bytes == (112 + 316) * 1024


def test_processor_time_is_users_and_systems_whatever_the_name():
    stat = "77 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 250 50 0 0 20 0 1 0 0 0"
    assert cpu_s(stat, 100) == 3.0


def test_memory_of_its_own_is_the_anonymous_part():
    assert anonymous_bytes("VmRSS:\t900 kB\nRssAnon:\t 300 kB\nRssFile:\t600 kB\n") == 300 * 1024
    assert anonymous_bytes("VmRSS:\t900 kB\n") == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_this_process_uses_something_and_a_dead_one_is_said():
    found = usage(os.getpid())
    assert found is not None
    assert found.cpu_s > 0
    assert found.anonymous_bytes > 1_000_000
    held = memory(os.getpid(), Path("/nowhere"))
    assert held is not None
    assert held.private_bytes > 1_000_000
    with pytest.raises(EnvironmentProblem, match="ended before its time"):
        usage(2**22 + 1)  # beyond the largest process id
    assert memory(2**22 + 1, Path("/nowhere")) is None
