"""Kills recorders and looks at what they left: ``python -m tests.chaos.recording_kills STORE KILLS SEED [FAULT]``.

A process that never records forks those that do, keeps what they say was acknowledged, kills each at an instant of
its own choosing, and reads the recording. Beside them the process runs that packs what is ended, and is killed too now
and then. It prints one line of JSON. FAULT ``early`` plants a disk that says yes before it writes.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

from kitecli.store.background import start_sealing
from kitecli.store.disk import Disk
from kitecli.store.folder import PACKED_SUFFIX, day_folder, segment_paths
from kitecli.store.layout import FRAME
from kitecli.store.recorder import Recorder, StoreHold
from kitecli.store.recording import Recording
from kitecli.store.segment import SegmentReader
from kitecli.store.writer import StoreSettings
from tests.store.days import DAY, message

SETTINGS = StoreSettings(floor_bytes=0, buffer_bytes=1 << 22, segment_bytes=1 << 21, sync_interval_s=0.05)
FRAME_BYTES = 1_862  # ten full packets
PACES = (2, 2, 60)  # frames a millisecond: 20,000 ticks a second, and now and then as many as go
LONGEST_S = 0.12
STILLBORN = 0.2  # of the recorders are killed while they start
PATIENCE_S = 20.0
SEALING_KILLED = 0.1
ACK = struct.Struct("<QQ")


class EarlyDisk(Disk):
    """Says that it has written what it only remembers."""

    def __init__(self) -> None:
        self._later: list[tuple[int, bytes]] = []

    def write(self, descriptor: int, data: memoryview | bytes) -> int:
        self._later.append((descriptor, bytes(data)))
        return len(data)

    def sync(self, descriptor: int) -> None:
        for each, data in self._later:
            os.write(each, data)
        self._later.clear()
        super().sync(descriptor)


def record(store: Path, first: int, acks: int, pace: int, disk: Disk) -> NoReturn:
    """A recorder that goes on until it is killed; says on ``acks`` what is acknowledged, as soon as it is."""
    recorder = Recorder(StoreHold.take(store), DAY, settings=SETTINGS, disk=disk, now_ns=lambda: 1_000 + first)
    number, told = first, recorder.acknowledged
    while True:
        for _ in range(pace):
            recorder.append(message(number, FRAME_BYTES), 1_000 + number, number % 3)
            number += 1
            recorder.wait_for_room()
        if (now := recorder.acknowledged) != told:
            os.write(acks, ACK.pack(now.process, now.power))
            told = now
        time.sleep(0.001)


class Sealers:
    """Processes that seal, one at a time and each as a recorder starts it; some are killed."""

    def __init__(self, store: Path, draw: random.Random) -> None:
        self._store, self._draw = store, draw
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    def look(self) -> None:
        """Another one where none runs; and where one does, that may be its end."""
        if self._process is not None and self._draw.random() < SEALING_KILLED:
            self._process.kill()
            self.kills += 1
            self.close()
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = start_sealing(self._store)

    def finish(self) -> None:
        """Let it end, and another one find nothing left."""
        self.close()
        self._process = start_sealing(self._store)
        self.close()

    def close(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process.communicate()
            self._process = None


class Rounds:
    """What became of all recorders so far."""

    def __init__(self, store: Path, fault: str) -> None:
        self.store = store
        self.folder = day_folder(store, DAY)
        self.fault = fault
        self.frames = self.records = self.lost = self.torn = self.starts = 0
        self.first_ms_max = 0.0

    def one(self, patience_s: float, seconds: float, pace: int) -> None:
        """Fork a recorder, kill it ``seconds`` after its first acknowledgement, or after ``patience_s``, and look."""
        acks, end = os.pipe()
        child = os.fork()
        if not child:
            os.close(acks)
            record(self.store, self.frames, end, pace, EarlyDisk() if self.fault == "early" else Disk())
        os.close(end)
        begun = time.monotonic()
        if select.select([acks], [], [], patience_s)[0]:
            self.starts += 1
            self.first_ms_max = max(self.first_ms_max, 1e3 * (time.monotonic() - begun))
            time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        self._look(_last_ack(acks))

    def _look(self, acknowledged: int) -> None:
        if not self.folder.exists() or not segment_paths(self.folder):
            return
        self._count_torn()
        with Recording.open(self.folder) as recording:
            since = max(0, self.frames - 20)
            for each in recording.records(1_000 + since if since else 0):
                self.records = max(self.records, each.number + 1)
                if each.kind == FRAME:
                    since = self._check(bytes(each.payload), each.ts_recv_ns, since)
            self.frames = since
        self.lost += max(0, acknowledged - self.records)

    def _check(self, payload: bytes, stamp: int, expected: int) -> int:
        """The number after this frame's, which must be ``expected`` in every byte."""
        if payload != message(expected, FRAME_BYTES) or stamp != 1_000 + expected:
            raise AssertionError(f"frame {expected} isn't what was recorded")
        return expected + 1

    def _count_torn(self) -> None:
        last = segment_paths(self.folder)[-1]
        if last.stat().st_size > 4096:
            with SegmentReader(last) as reader:
                walk = reader.walk(reader.last_synced())
                for _ in walk:
                    pass
                self.torn += walk.place.offset < reader.size


def _last_ack(acks: int) -> int:
    said = b""
    while piece := os.read(acks, 1 << 16):
        said += piece
    os.close(acks)
    whole = len(said) // ACK.size * ACK.size
    return max((process for process, _ in ACK.iter_unpack(said[:whole])), default=0)


def main(store: Path, kills: int, seed: int, fault: str = "") -> dict[str, float]:
    draw, rounds = random.Random(seed), Rounds(store, fault)
    store.mkdir()
    sealers = Sealers(store, draw)
    for _ in range(kills):
        sealers.look()
        patience_s = draw.uniform(0.0, 0.15) if draw.random() < STILLBORN else PATIENCE_S
        rounds.one(patience_s, draw.uniform(0.0, LONGEST_S), draw.choice(PACES))
    sealers.finish()
    rounds.frames, whole = 0, rounds.frames
    rounds._look(0)
    return {
        "kills": kills,
        "starts": rounds.starts,
        "frames": rounds.frames,
        "frames_before_the_last_look": whole,
        "acknowledged_lost": rounds.lost,
        "torn": rounds.torn,
        "segments": len(segment_paths(rounds.folder)),
        "sealed": len(list(rounds.folder.glob(f"*{PACKED_SUFFIX}"))),
        "sealing_kills": sealers.kills,
        "first_acknowledged_ms_max": round(rounds.first_ms_max, 1),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])))
