"""Locks that end with their holder: between descriptors, threads and processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kitecli.ring import locks
from kitecli.ring.locks import LockFile, lock, unlock

HOLDER = """
import sys, time
from pathlib import Path
from kitecli.ring.locks import LockFile
held = LockFile.take(Path(sys.argv[1]))
print("held" if held else "refused", flush=True)
time.sleep(60)
"""


def test_one_descriptor_at_a_time(tmp_path: Path):
    path = tmp_path / "a"
    path.touch()
    first, second = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    try:
        assert lock(first, wait=False)
        assert not lock(second, wait=False)
        unlock(first)
        assert lock(second, wait=True)
    finally:
        os.close(first)
        os.close(second)


def test_a_lock_file_has_one_holder_and_goes_with_it(tmp_path: Path):
    path = tmp_path / "a.lock"
    held = LockFile.take(path)
    assert held is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert LockFile.take(path) is None
    held.release()
    held.release()
    assert not path.exists()
    again = LockFile.take(path)
    assert again is not None
    again.release()


def test_asking_makes_nothing_and_keeps_nobody_out(tmp_path: Path):
    path = tmp_path / "a.lock"
    assert not LockFile.is_held(path)
    assert not path.exists()
    held = LockFile.take(path)
    assert held is not None
    assert LockFile.is_held(path)
    held.release()
    path.touch()  # left by one who was killed
    assert not LockFile.is_held(path)


def test_a_killed_holder_holds_nothing(tmp_path: Path):
    path = tmp_path / "a.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert LockFile.take(path) is None
    finally:
        holder.kill()
        holder.communicate()
    assert path.exists()
    held = LockFile.take(path)
    assert held is not None
    held.release()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file can't be removed there")
def test_a_lock_on_a_removed_file_counts_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The former holder removes the file between our opening it and our lock."""
    path = tmp_path / "a.lock"
    former = LockFile.take(path)
    assert former is not None

    def lock_late(descriptor: int, *, wait: bool) -> bool:
        former.release()
        return lock(descriptor, wait=wait)

    monkeypatch.setattr(locks, "lock", lock_late)
    held = LockFile.take(path)
    assert held is not None
    assert os.path.samestat(path.stat(), os.fstat(held._descriptor))
    assert LockFile.take(path) is None
    held.release()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file can't be removed there")
def test_eight_threads_never_hold_one_name_together(tmp_path: Path):
    path, holders, most, taken = tmp_path / "a.lock", [0], [0], [0]
    guard = threading.Lock()

    def turns() -> None:
        for _ in range(300):
            held = LockFile.take(path)
            if held is None:
                continue
            with guard:
                holders[0] += 1
                taken[0] += 1
                most[0] = max(most[0], holders[0])
            with guard:
                holders[0] -= 1
            held.release()

    threads = [threading.Thread(target=turns) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1
    assert taken[0] > 8
    assert not path.exists()
