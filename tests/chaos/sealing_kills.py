"""Kills sealing before and after every operation on the disk: ``python -m tests.chaos.sealing_kills FOLDER [early]``.

A child per kill does the sealing and ends itself on the spot; here is looked whether every message is still there, and
whether the next sealing finishes. ``early`` plants a fault: the raw file goes before the packed one is in its place.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from kitecli.errors import KiteError
from kitecli.store.disk import Disk
from kitecli.store.folder import SUFFIX, day_folder, segment_paths
from kitecli.store.sealing import seal_ended
from tests.store.days import DAY, Day, numbers_in
from tests.store.disks import QuickDisk

MESSAGES = 300
KILLED = 99


class DeadlyDisk(Disk):
    """Ends the process at its ``at``-th operation, counted from 0: before it, or after it where ``at`` is odd."""

    def __init__(self, at: int, *, early: bool) -> None:
        self._at, self._step, self._early = at, 0, early

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        return self._counted(found) if not name.startswith("_") else found

    def _counted(self, operation):
        def counted(*arguments):
            self._tick()
            if self._early and operation.__name__ == "rename":
                arguments[1].with_suffix(SUFFIX).unlink()
                self._tick()
            done = operation(*arguments)
            self._tick()
            return done

        return counted

    def _tick(self) -> None:
        if self._step == self._at:
            os._exit(KILLED)
        self._step += 1


def recorded(store: Path) -> None:
    """A day of some ended segments, and one whose writer still has it."""
    folder = day_folder(store, DAY)
    folder.mkdir(parents=True)
    day = Day(folder)
    for _ in range(MESSAGES // 60):
        day.send(60)
        day.step()


def was_killed(store: Path, at: int, *, early: bool) -> bool:
    if not (child := os.fork()):
        for _ in seal_ended(store, DeadlyDisk(at, early=early)):
            pass
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


def is_whole(store: Path) -> bool:
    try:
        return numbers_in(day_folder(store, DAY)) == list(range(MESSAGES))
    except KiteError:
        return False


def main(root: Path, *, early: bool) -> dict[str, int]:
    recorded(root / "first")
    found = {"kills": 0, "lost": 0, "unfinished": 0}
    while True:
        store = root / "store"
        shutil.copytree(root / "first", store)
        if not was_killed(store, found["kills"], early=early):
            break
        found["kills"] += 1
        found["lost"] += not is_whole(store)
        for _ in seal_ended(store, QuickDisk()):
            pass
        raw = [path for path in segment_paths(day_folder(store, DAY)) if path.suffix == SUFFIX]
        left = [path for path in store.rglob("*") if path.suffix == ".packing"]
        found["unfinished"] += len(raw) != 1 or bool(left) or (not early and not is_whole(store))
        shutil.rmtree(store)
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), early="early" in sys.argv[2:])))
