"""Disks that fail, and disks whose power is cut: they stand in the place of ``kitecli.store.disk.Disk``."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kitecli.store.disk import Disk

SECTOR = 512


class FullDisk(Disk):
    """Has ``room`` bytes left; what doesn't fit is written in part, as a real one does."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, descriptor: int, data: memoryview | bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = super().write(descriptor, memoryview(data)[: self.room])
        self.room -= written
        return written


class FailingDisk(Disk):
    """The ``n``-th call of an operation fails, counted from 1, and ``times`` - 1 more."""

    def __init__(self, operation: str, n: int, times: int = 1, code: int = errno.EIO) -> None:
        self.left, self.times, self.code = n, times, code
        self.calls = 0
        self.refused: list[int] = []
        self._real: Callable[..., object] = getattr(super(), operation)
        setattr(self, operation, self._counted)

    def _counted(self, *arguments: object) -> object:
        self.calls += 1
        if self.left <= self.calls < self.left + self.times:
            self.refused.append(self.calls)
            raise OSError(self.code, os.strerror(self.code))
        return self._real(*arguments)


class QuickDisk(Disk):
    """Syncs nothing: for tests that ask nothing of a disk."""

    def sync(self, descriptor: int) -> None:
        return

    def sync_folder(self, folder: Path) -> None:
        return


@dataclass
class Shadow:
    """One file: what is on disk for sure, and each write since."""

    durable: bytearray = field(default_factory=bytearray)
    writes: list[tuple[int, bytes]] = field(default_factory=list)
    size: int = 0

    def image(self, unit: int, draw: random.Random) -> bytes:
        """The file after a power cut: each unit written since the last sync is old or new, as it happens."""
        new = bytearray(self.durable.ljust(self.size, b"\0"))
        for at, data in self.writes:
            new[at : at + len(data)] = data
        kept = bytearray(self.durable.ljust(self.size, b"\0"))
        dirty = {each for at, data in self.writes for each in range(at // unit, (at + len(data) - 1) // unit + 1)}
        for each in dirty:
            if draw.random() < 0.5:
                kept[each * unit : (each + 1) * unit] = new[each * unit : (each + 1) * unit]
        # The size is metadata of its own: it may be any that the file had since.
        ends = [len(self.durable), *(at + len(data) for at, data in self.writes)]
        return bytes(kept[: draw.choice(ends)])


class PowerlessDisk(QuickDisk):
    """Remembers what a power cut may leave of every file."""

    def __init__(self) -> None:
        self.files: dict[Path, Shadow] = {}
        self._open: dict[int, Shadow] = {}

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self.files[path] = self._open[descriptor] = Shadow()
        return descriptor

    def write(self, descriptor: int, data: memoryview | bytes) -> int:
        written = super().write(descriptor, data)
        shadow = self._open[descriptor]
        shadow.writes.append((shadow.size, bytes(data[:written])))
        shadow.size += written
        return written

    def sync(self, descriptor: int) -> None:
        shadow = self._open[descriptor]
        for _, data in shadow.writes:
            shadow.durable += data
        shadow.writes.clear()

    def remove(self, path: Path) -> None:
        super().remove(path)
        self.files.pop(path, None)

    def cut_power(self, folder: Path, unit: int, draw: random.Random) -> None:
        """Leave in ``folder`` what might be there when the machine starts again."""
        for path, shadow in self.files.items():
            (folder / path.name).write_bytes(shadow.image(unit, draw))
