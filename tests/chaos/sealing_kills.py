"""Kills sealing, and looks after each kill whether every message is there once, and whether the next sealing finishes.

``python -m tests.chaos.sealing_kills FOLDER steps|early``: before and after every operation on the disk, where a child
ends itself on the spot. ``early`` plants a fault: the raw file goes before the packed one is in its place.

``python -m tests.chaos.sealing_kills FOLDER forks|processes KILLS SEED``: by SIGKILL at instants of nobody's choosing,
of a child that seals or of the process that a recorder starts.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from kitecli.errors import KiteError
from kitecli.store.background import start_sealing
from kitecli.store.disk import Disk
from kitecli.store.folder import SUFFIX, day_folder, segment_paths
from kitecli.store.sealing import seal_ended
from tests.store.days import DAY, Day, numbers_in
from tests.store.disks import QuickDisk

MESSAGES = 300
KILLED = 99
CHANGES = 12
"""A file that is packed is four: its half-packed one, its index, the change of names, and the raw one's end."""
LATER_S = 0.001
LOOK_S = 0.0001
ATTENDING: list[subprocess.Popen[bytes]] = []


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


def stepped(root: Path, *, early: bool) -> dict[str, int]:
    recorded(root / "first")
    found = {"kills": 0, "lost": 0, "unfinished": 0}
    while True:
        store = root / "store"
        shutil.copytree(root / "first", store)
        if not was_killed(store, found["kills"], early=early):
            break
        found["kills"] += 1
        found["lost"] += not is_whole(store)
        found["unfinished"] += not is_finished(store) or (not early and not is_whole(store))
        shutil.rmtree(store)
    return found


def is_finished(store: Path) -> bool:
    """Whether another sealing packs all but what is being written, and leaves nothing else."""
    for _ in seal_ended(store, QuickDisk()):
        pass
    return len(raw(store)) == 1 and not list(store.rglob("*.packing"))


def raw(store: Path) -> list[Path]:
    return [path for path in segment_paths(day_folder(store, DAY)) if path.suffix == SUFFIX]


def shot(root: Path, kills: int, seed: int, *, real: bool) -> dict[str, int]:
    """Killed anywhere, and gone on with by the next, until all is packed; then with the same day again."""
    recorded(root / "first")
    draw, store, begin = random.Random(seed), root / "store", started if real else forked
    found = dict.fromkeys(("kills", "half_packed", "both", "packed", "lost", "unfinished"), 0)
    while found["kills"] < kills:
        if not store.exists():
            shutil.copytree(root / "first", store)
        before = len(raw(store))
        found["kills"] += was_shot(begin(store), day_folder(store, DAY), draw)
        found["half_packed"] += bool(list(store.rglob("*.packing")))
        found["both"] += any(path.with_suffix(".kpak").exists() for path in raw(store))
        found["packed"] += before - len(raw(store))
        found["lost"] += not is_whole(store)
        if len(raw(store)) == 1:
            found["unfinished"] += not is_finished(store) or not is_whole(store)
            shutil.rmtree(store)
    return found


def was_shot(pid: int, folder: Path, draw: random.Random) -> bool:
    """Kill a process after so many changes of what is in the folder, and a little; whether it still lived."""
    names = names_in(folder)
    left = draw.randrange(CHANGES)
    while left and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(LOOK_S)
        former, names = names, names_in(folder)
        left -= names != former
    time.sleep(draw.expovariate(1 / LATER_S))
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def names_in(folder: Path) -> set[str]:
    return {entry.name for entry in os.scandir(folder)}


def forked(store: Path) -> int:
    if not (child := os.fork()):
        for _ in seal_ended(store):
            pass
        os._exit(0)
    return child


def started(store: Path) -> int:
    """As a recorder starts it."""
    process = start_sealing(store)
    ATTENDING.append(process)  # it would end with its standard input
    return process.pid


def main(root: Path, how: str, kills: int = 0, seed: int = 0) -> dict[str, int]:
    if how in ("forks", "processes"):
        return shot(root, kills, seed, real=how == "processes")
    return stepped(root, early=how == "early")


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))))
