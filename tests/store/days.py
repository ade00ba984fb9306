"""A day's recording written a step at a time, with no thread and no clock but the test's."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from kitecli.store.disk import Disk
from kitecli.store.log import Stage
from kitecli.store.recording import Recording
from kitecli.store.recovery import Examination, salvage
from kitecli.store.writer import DayWriter, Start, StoreSettings
from tests.store.disks import QuickDisk

DAY = date(2026, 11, 20)
SMALL = StoreSettings(segment_bytes=1 << 15, buffer_bytes=1 << 18, floor_bytes=0)


def message(number: int, size: int = 300) -> bytes:
    """Says which one it is, and every byte of it can be checked."""
    return number.to_bytes(8, "big") * (size // 8 + 1)


class Day:
    """``send`` appends the next messages; ``step`` lets the writer work."""

    def __init__(
        self,
        folder: Path,
        disk: Disk | None = None,
        settings: StoreSettings = SMALL,
        start: Start | None = None,
        stage: Stage | None = None,
    ) -> None:
        self.folder = folder
        self.stage = stage or Stage(settings.buffer_bytes)
        self.writer = DayWriter(folder, DAY, self.stage, start=start, settings=settings, disk=disk or QuickDisk())
        self.now_s = 100.0
        self.sent = start.records if start else 0

    def send(self, count: int, size: int = 300) -> int:
        """Append messages; returns how many found room."""
        taken = 0
        for _ in range(count):
            taken += self.stage.append(message(self.sent, size), 1_000 + self.sent, self.sent % 3)
            self.sent += 1
        return taken

    def step(self, seconds: float = 0.02, *, sync: bool = False) -> None:
        self.now_s += seconds
        self.writer.step(self.now_s, sync=sync)


def salvaged(path: Path) -> Examination:
    """Put what is whole of a damaged segment in its place, as docs/recordings.md tells people to."""
    fresh = path.with_suffix(".salvaged.kseg")
    found = salvage(path, fresh, QuickDisk())
    if found.holes:
        path.rename(path.with_suffix(".damaged"))
        fresh.rename(path.with_suffix(".kseg"))
        path.with_suffix(".kidx").unlink(missing_ok=True)
    return found


def numbers_in(folder: Path) -> list[int]:
    """Which messages a recording gives back; each is checked byte for byte."""
    with Recording.open(folder) as recording:
        found = []
        for frame in recording.frames():
            number = int.from_bytes(frame.payload[:8], "big")
            assert bytes(frame.payload) == message(number, len(frame.payload) - 8)
            assert (frame.ts_recv_ns, frame.connection) == (1_000 + number, number % 3)
            found.append(number)
    return found
