"""Staged records into a day's files, a step at a time: write, roll, sync, and go on after whatever the disk did.

Sans clock and thread: ``step`` is told the time, and does its file operations through a ``Disk``.

::

    no room           the same file goes on where it stopped, as soon as there is room
    any other error   never trust that file again: a new one, and in it everything not known on disk
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from kitecli.errors import EnvironmentProblem
from kitecli.store.disk import Disk
from kitecli.store.folder import segment_path
from kitecli.store.header import NO_MASTER, SegmentHeader
from kitecli.store.log import Stage

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
RETRY_S: Final = 0.25
MOST_RETRY_S: Final = 30.0
"""A disk that fails every time gets a new file at growing intervals: each is begun with all that memory holds."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """``sync_interval_s``: how much a power cut may cost; 0 syncs after every write.

    ``write_interval_s``: how much a killed process may cost. ``floor_bytes``: free space that is left to others; the
    journal of orders needs some, too. ``buffer_bytes``: a power of two; what a disk that stalls may fall behind.
    """

    sync_interval_s: float = 1.0
    write_interval_s: float = 0.02
    segment_bytes: int = 1 << 28
    segment_s: float = 3600.0
    buffer_bytes: int = 1 << 24
    floor_bytes: int = 1 << 28

    def as_dict(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """How many of the day's records are safe from what. ``process``: in the kernel, they survive a killed process;
    ``power``: on disk, they survive a power cut."""

    process: int
    power: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why nothing is being recorded, and since when."""

    since_ns: int
    cause: EnvironmentProblem


@dataclass(frozen=True, slots=True)
class Start:
    """Where a day's recording goes on: its next file, the records and the latest stamp so far."""

    segment: int = 1
    records: int = 0
    high_ns: int = 0


class DayWriter:
    """One day's files. ``now_ns`` stamps headers; ``about`` is asked for each: facts for people, as JSON has them."""

    def __init__(
        self,
        folder: Path,
        day: date,
        stage: Stage,
        *,
        start: Start | None = None,
        settings: StoreSettings | None = None,
        disk: Disk | None = None,
        master: bytes = NO_MASTER,
        about: Callable[[], Mapping[str, object]] = dict,
        now_ns: Callable[[], int] = lambda: 0,
        free_bytes: int = 0,
        released: Callable[[], object] = lambda: None,
    ) -> None:
        start = start or Start()
        self._folder = folder
        self._day = day
        self._stage = stage
        self._settings = settings or StoreSettings()
        self._disk = disk or Disk()
        self.master = master
        """Of the day, by its SHA-256; where another thread sets another, a new file begins with the next record."""
        self._master_said = master
        self._about = about
        self._now_ns = now_ns
        self._released = released
        self._out = bytearray(stage.out_bytes)
        self._pending = memoryview(b"")
        self._descriptor = -1
        self._path = folder
        self._segment = start.segment
        self._first = self._reached = start.records
        self._high_ns = start.high_ns
        self._opened_s = self._synced_s = self._retry_s = self._wait_s = 0.0
        self._dirty = self._ending = False
        self._distrusted = self._unproven = False
        self.acknowledged = Acknowledged(start.records, start.records)
        self.alarm: Alarm | None = None
        self.written_bytes = 0
        self.free_bytes = free_bytes

    @property
    def path(self) -> Path:
        """The file that is being written, or the folder before there is one."""
        return self._path

    def step(self, now_s: float, *, sync: bool = False) -> None:
        """Write what waits, and sync if it is time (or ``sync``). What the disk does is never raised: see ``alarm``."""
        if now_s < self._retry_s:
            return
        try:
            lack = self._lack_of_room()
            if lack is None:
                self._write(now_s)
            if not self._pending and (sync or self._is_due(now_s)):
                self._sync(now_s)
            if lack is not None:
                raise lack
        except OSError as error:
            self._failed(error, now_s)
        else:
            if not self._unproven:
                self._wait_s, self.alarm = 0.0, None

    def close(self, now_s: float) -> bool:
        """Write everything, and the file's last record; False where the disk won't have it."""
        self._stage.tell_lack()
        self._retry_s = 0.0
        self.step(now_s, sync=True)
        try:
            if self.alarm is None and self._descriptor >= 0:
                self._finish(now_s)
        except OSError as error:
            self._failed(error, now_s)
        done = self.alarm is None
        self._drop()
        return done

    def _write(self, now_s: float) -> None:
        self._flush()
        while self._stage.waiting:
            if self._descriptor < 0:
                self._open(now_s)
            elif self._is_over(now_s):
                self._finish(now_s)
                continue
            size = self._stage.frame(self._out, self._settings.segment_bytes)
            self._pending = memoryview(self._out)[:size]
            self._flush()
            if self._stage.held > self._stage.capacity // 2:
                self._sync(now_s)

    def _flush(self) -> None:
        """Hand what is framed to the kernel; where that fails half-way, the rest stays for the next step."""
        while self._pending:
            written = self._disk.write(self._descriptor, self._pending)
            self._pending = self._pending[written:]
            self.written_bytes += written
            self._dirty = True
        if self._descriptor >= 0:
            self._reached = max(self._reached, self._first + self._stage.number)
            self.acknowledged = Acknowledged(self._reached, self.acknowledged.power)

    def _sync(self, now_s: float) -> None:
        if not self._dirty:
            self._synced_s = now_s
            return
        self._distrusted = True  # until this has worked: after a failed sync, a second one would lie
        self._disk.sync(self._descriptor)
        self._distrusted = self._unproven = self._dirty = False
        self._stage.synced()
        self._released()
        self._synced_s, self._high_ns = now_s, self._stage.high_ns
        self.acknowledged = Acknowledged(self._reached, self._first + self._stage.number)

    def _open(self, now_s: float) -> None:
        master = self.master
        header = SegmentHeader(
            self._day,
            self._segment,
            self._now_ns(),
            self._first,
            self._reached,
            self._high_ns,
            master,
            {"settings": self._settings.as_dict(), **self._about()},
        )
        path = segment_path(self._folder, self._segment)
        descriptor = self._disk.create(path)
        try:
            if self._disk.write(descriptor, header.encoded) != len(header.encoded):
                raise OSError(errno.ENOSPC, "not even a header fits")
            self._disk.sync(descriptor)  # a record without its header could not be read
            self._disk.sync_folder(self._folder)
        except OSError:
            self._disk.close(descriptor)
            self._disk.remove(path)
            raise
        self._descriptor, self._path, self._opened_s, self._master_said = descriptor, path, now_s, master
        self._stage.begin(header.seed, len(header.encoded), self._high_ns)

    def _finish(self, now_s: float) -> None:
        """End a file: what its last record vouches for is on disk before that record says so."""
        if not self._ending:
            self._sync(now_s)
            self._pending, self._ending = memoryview(self._stage.end()), True
        self._flush()
        self._sync(now_s)
        self._leave()

    def _leave(self) -> None:
        """The next record goes into the next file."""
        self._first += self._stage.number
        self._segment += 1
        self._drop()

    def _drop(self) -> None:
        if self._descriptor >= 0:
            self._disk.close(self._descriptor)
        self._descriptor = -1
        self._pending = memoryview(b"")
        self._dirty = self._ending = False

    def _failed(self, error: OSError, now_s: float) -> None:
        lacks_room = error.errno in NO_ROOM and not self._distrusted
        if not lacks_room and self._descriptor >= 0:
            self._abandon()
        self._wait_s = RETRY_S if lacks_room else min(MOST_RETRY_S, max(RETRY_S, 2 * self._wait_s))
        self._retry_s = now_s + self._wait_s
        since_ns = self.alarm.since_ns if self.alarm else self._now_ns()
        self.alarm = Alarm(since_ns, _problem(self._path, error))

    def _abandon(self) -> None:
        """Leave a file as it is: the kernel may have forgotten what it couldn't write, and says so only once."""
        self._first += self._stage.rewind()
        self._segment += 1
        self._distrusted, self._unproven = False, True
        self._drop()

    def _lack_of_room(self) -> OSError | None:
        if not self._stage.waiting and not self._pending:
            return None
        free, floor = self._disk.free_bytes(self._folder), self._settings.floor_bytes
        self.free_bytes = free
        if free >= floor:
            return None
        return OSError(errno.ENOSPC, f"{free / 1e6:,.0f} MB are left, and {floor / 1e6:,.0f} MB are kept for others")

    def _is_due(self, now_s: float) -> bool:
        return self._dirty and now_s - self._synced_s >= self._settings.sync_interval_s

    def _is_over(self, now_s: float) -> bool:
        """Whether the next record belongs into another file."""
        old = now_s - self._opened_s >= self._settings.segment_s
        return old or self.master != self._master_said or self._stage.offset >= self._settings.segment_bytes


def _problem(path: Path, error: OSError) -> EnvironmentProblem:
    full = error.errno in NO_ROOM
    return EnvironmentProblem(
        f"Nothing is recorded: {path} can't be written",
        why=error.strerror or str(error),
        hint="free some space; recording goes on by itself" if full else "look at the disk; a new file is tried again",
    )
