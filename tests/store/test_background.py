"""Sealing in a process of its own, as who records starts it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kitecli.ring.locks import LockFile
from kitecli.store.background import start_sealing
from kitecli.store.folder import day_folder, segment_paths
from kitecli.store.sealing import LOCK
from tests.store.days import DAY, Day, numbers_in

WAIT_S = 60


@pytest.fixture
def store(tmp_path):
    """A day of several ended segments and one that goes on."""
    folder = day_folder(tmp_path, DAY)
    folder.mkdir()
    day = Day(folder)
    for _ in range(6):
        day.send(60)
        day.step()
    return tmp_path


def sealed(store, *options):
    command = [sys.executable, "-m", "kitecli.store", str(store), *options]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=WAIT_S, stdin=subprocess.DEVNULL
    )


def suffixes(store):
    return [path.suffix for path in segment_paths(day_folder(store, DAY))]


def test_all_that_is_ended_is_sealed_and_what_is_being_written_is_not(store):
    assert sealed(store).returncode == 0
    *ended, last = suffixes(store)
    assert len(ended) > 2
    assert set(ended) == {".kpak"}
    assert last == ".kseg"
    assert numbers_in(day_folder(store, DAY)) == list(range(360))


def test_a_following_process_ends_with_its_parents_pipe(store):
    process = start_sealing(store)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(WAIT_S) == 0
    assert numbers_in(day_folder(store, DAY)) == list(range(360))


def test_what_it_cant_seal_is_said_and_doesnt_keep_it_from_the_rest(store):
    first = segment_paths(day_folder(store, DAY))[0]
    raw = bytearray(first.read_bytes())
    raw[9_000] ^= 1
    first.write_bytes(raw)
    done = sealed(store)
    assert done.returncode == 6
    assert f"{first} is damaged" in done.stderr
    assert suffixes(store)[0] == ".kseg"
    assert ".kpak" in suffixes(store)


def test_where_another_one_seals_it_leaves_it_to_that(store):
    lock = LockFile.take(store / LOCK)
    assert lock is not None
    done = sealed(store)
    lock.release()
    assert (done.returncode, done.stderr) == (0, "")
    assert set(suffixes(store)) == {".kseg"}


def test_where_there_is_no_store_it_says_so(tmp_path):
    done = sealed(tmp_path / "none")
    assert done.returncode == 6
    assert "none" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there the process is made with its priority")
def test_it_gives_way_to_everything_else():
    code = "import os; from kitecli.store.background import give_way; give_way(); print(os.nice(0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=WAIT_S)
    assert int(done.stdout) == 19
