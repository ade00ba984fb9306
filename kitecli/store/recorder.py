"""The recorder beside a feed: appending costs the feed's thread a copy, a thread of its own waits for the disk."""

from __future__ import annotations

import gzip
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Final, Self

import kitecli
from kitecli.errors import EnvironmentProblem, RecordingHeld
from kitecli.files import replacing, sync_folder
from kitecli.market.gap import Gap
from kitecli.ring.locks import LockFile
from kitecli.store.disk import Disk
from kitecli.store.folder import day_folder, day_folders
from kitecli.store.header import NO_MASTER
from kitecli.store.layout import CLOCK, GAP, PLACED, STREAMING, SUBSCRIBED, TIMER
from kitecli.store.log import Stage
from kitecli.store.payloads import (
    TIMER_ROWS,
    ClockOffset,
    encode_gap,
    encode_placed,
    encode_subscribed,
    encode_timer,
)
from kitecli.store.recovery import recover
from kitecli.store.writer import Acknowledged, Alarm, DayWriter, StoreSettings

LOOK_S: Final = 0.1
PATIENCE_S: Final = 10.0
"""How long closing waits for the disk."""


class StoreHold:
    """The right to write below a store's folder: one process has it, and loses it however it ends."""

    def __init__(self, store: Path, lock: LockFile) -> None:
        self.store = store
        self._lock = lock

    @classmethod
    def take(cls, store: Path) -> Self:
        """Hold it, and make of what a killed process left something to go on from.

        :raises RecordingHeld: another process does.
        :raises EnvironmentProblem: nothing can be written there.
        """
        try:
            store.mkdir(parents=True, exist_ok=True)
            lock = LockFile.take(store / "lock")
            if lock is None:
                raise _held(store)
            (store / "writer.json").write_text(json.dumps({"pid": os.getpid(), "since_ns": time.time_ns()}))
            for folder in day_folders(store)[-2:]:  # whatever is older was ended by an earlier start
                recover(folder)
        except OSError as error:
            raise _unwritable(store, error) from error
        return cls(store, lock)

    def release(self) -> None:
        """Let others record; a second time does nothing."""
        self._lock.release()


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """``unrecorded``: messages of ``unrecorded_bytes`` that found no room. ``path``: the file being written.
    ``alarm``: why nothing is written just now. ``free_bytes``: of the disk, when it was last written to.
    ``waiting_bytes``: taken in and not known on disk yet."""

    acknowledged: Acknowledged
    alarm: Alarm | None
    unrecorded: int
    unrecorded_bytes: int
    written_bytes: int
    free_bytes: int
    path: Path
    waiting_bytes: int


class Recorder:
    """Records one day into a store that is held. All of one thread's but :meth:`close` and the properties.

    ``about`` is asked for each file's facts for people; ``now_ns`` is the clock that stamps what is appended.
    """

    def __init__(
        self,
        hold: StoreHold,
        day: date,
        *,
        master: bytes | None = None,
        settings: StoreSettings | None = None,
        about: Callable[[], Mapping[str, object]] = dict,
        disk: Disk | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings = settings or StoreSettings()
        self._disk = disk or Disk()
        self._folder = day_folder(hold.store, day)
        self._stage = Stage(self._settings.buffer_bytes)
        try:
            self._folder.mkdir(exist_ok=True)
            self._disk.sync_folder(hold.store)
            start = recover(self._folder, self._disk)
            free_bytes = self._disk.free_bytes(self._folder)
            digest = _keep_master(self._folder, master) if master is not None else NO_MASTER
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        self._writer = DayWriter(
            self._folder,
            day,
            self._stage,
            start=start,
            settings=self._settings,
            disk=self._disk,
            master=digest,
            about=lambda: {**_facts(), **about()},
            now_ns=now_ns,
            free_bytes=free_bytes,
            released=self._released,
        )
        self.append = self._stage.append
        """``append(payload, ts_recv_ns, connection)``: record a binary message. False where there is no room: it is
        counted, and the recording says so once there is again. Never waits."""
        if start.records:  # between two runs of a day nothing was recorded, whatever the feed did
            self.append_gap(Gap(0, (), start.high_ns, now := now_ns(), "nothing was recording"), now)
        self._ending = threading.Event()
        self._wanted = threading.Condition()
        self._sync_wanted = self._syncs = 0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def acknowledged(self) -> Acknowledged:
        """How many of the day's records are safe from what."""
        return self._writer.acknowledged

    @property
    def alarm(self) -> Alarm | None:
        """Why nothing is written just now."""
        return self._writer.alarm

    @property
    def unrecorded(self) -> int:
        """Messages that found no room so far."""
        return self._stage.unrecorded

    @property
    def status(self) -> RecorderStatus:
        return RecorderStatus(
            self._writer.acknowledged,
            self._writer.alarm,
            self._stage.unrecorded,
            self._stage.unrecorded_bytes,
            self._writer.written_bytes,
            self._writer.free_bytes,
            self._writer.path,
            self._stage.held,
        )

    def append_gap(self, gap: Gap, now_ns: int) -> bool:
        """Record an outage: when it begins, and again when it ends."""
        return self._stage.append(encode_gap(gap), now_ns, gap.connection, GAP)

    def append_subscribed(self, modes: Mapping[int, str | None], now_ns: int, connection: int) -> bool:
        """Record what is about to be asked of the broker, token → mode (None: unsubscribed), before it is asked."""
        return self._stage.append(encode_subscribed(modes), now_ns, connection, SUBSCRIBED)

    def append_streaming(self, modes: Mapping[int, str | None], now_ns: int, connection: int) -> bool:
        """Record what is streamed without a cached packet to come: since before the recording, or in another mode."""
        return self._stage.append(encode_subscribed(modes), now_ns, connection, STREAMING)

    def append_placed(self, timelines_of: Mapping[int, int], now_ns: int) -> bool:
        """Record which instruments keep other hours than their segment, by the numbers of the feed's timelines."""
        return self._stage.append(encode_placed(timelines_of), now_ns, 0, PLACED)

    def append_timer(self, now_ns: int, rows: int = TIMER_ROWS) -> bool:
        """Record that the bars due at ``now_ns`` are closed, of the next ``rows`` of the board."""
        return self._stage.append(encode_timer(rows), now_ns, 0, TIMER)

    def append_clock(self, offset: ClockOffset, now_ns: int) -> bool:
        """Record how far this machine's clock is off."""
        return self._stage.append(offset.encoded(), now_ns, 0, CLOCK)

    def use_master(self, csv: bytes) -> None:
        """The day's instruments are these from now on; the next record begins a file that says so. Takes its time.

        :raises EnvironmentProblem: there is no room for it.
        """
        try:
            self._writer.master = _keep_master(self._folder, csv)
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def wait_for_room(self) -> None:
        """For who can wait, as an import can and a feed can't: until a quarter of the room is free, which the writer
        sees to meanwhile. Raises the alarm's cause where the disk won't have it."""
        while self._stage.held > self._stage.capacity // 4 * 3:
            if self._writer.alarm is not None:
                raise self._writer.alarm.cause
            with self._wanted:
                self._wanted.notify_all()
                self._wanted.wait(LOOK_S)

    def flush(self, timeout_s: float = PATIENCE_S) -> bool:
        """Wait until everything appended is on disk; False where it isn't by then."""
        with self._wanted:
            self._sync_wanted += 1
            wanted = self._sync_wanted
            self._wanted.notify_all()
            return self._wanted.wait_for(lambda: self._syncs >= wanted, timeout_s)

    def close(self, timeout_s: float = PATIENCE_S) -> bool:
        """Write what waits, end the file, and stop; False where not everything could be written. Twice is once."""
        self._ending.set()
        with self._wanted:
            self._wanted.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and self._writer.alarm is None

    def _is_pressed(self) -> bool:
        """Whether somebody may wait for room, and there is a disk to make some."""
        return self._writer.alarm is None and self._stage.held > self._stage.capacity // 2

    def _released(self) -> None:
        with self._wanted:
            self._wanted.notify_all()

    def _run(self) -> None:
        while not self._ending.is_set():
            with self._wanted:
                if self._sync_wanted == self._syncs and not self._is_pressed():
                    self._wanted.wait(self._settings.write_interval_s)
                wanted = self._sync_wanted
            self._writer.step(time.monotonic(), sync=wanted > self._syncs)
            if wanted > self._syncs and self._writer.alarm is None:
                with self._wanted:
                    self._syncs = wanted
                    self._wanted.notify_all()
        self._writer.close(time.monotonic())


def _keep_master(folder: Path, csv: bytes) -> bytes:
    digest = sha256(csv).digest()
    path = folder / f"master-{digest.hex()[:8]}.csv.gz"
    packed = gzip.compress(csv, 1, mtime=0)
    if _read_or_nothing(path) != packed:  # what a power cut made of it is no master, and the day's names are lost
        with replacing(path, given=True) as file:
            file.write(packed)
        sync_folder(folder)
    return digest


def _read_or_nothing(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _facts() -> dict[str, object]:
    clock = time.get_clock_info("time")
    return {
        "writer": f"kite {kitecli.__version__}",
        "clock": {
            "implementation": clock.implementation,
            "resolution_ns": round(clock.resolution * 1e9),
            "monotonic_ns": time.monotonic_ns(),
            "realtime_ns": time.time_ns(),
        },
    }


def _held(store: Path) -> RecordingHeld:
    try:
        holder = f"process {json.loads((store / 'writer.json').read_text())['pid']} does"
    except (OSError, ValueError, KeyError):
        holder = "another process does"
    return RecordingHeld(f"Another recorder writes to {store}", why=holder, hint="stop it, or record somewhere else")


def _unwritable(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{path} can't be written",
        why=error.strerror or str(error),
        hint="free space there, or choose another folder",
    )
