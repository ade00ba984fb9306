"""Recorders on a disk of 8 MB that fills and empties: ``python -m tests.chaos.recording_on_tmpfs FOLDER RUNS``.

Run in a mount namespace of its own; mounts the disk on FOLDER. Another file takes the room, a recorder meets that, a
reader reads beside it, the file goes, and everything acknowledged must be there. Prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from kitecli.store.folder import day_folder
from kitecli.store.recorder import Recorder, StoreHold
from kitecli.store.recording import Recording
from kitecli.store.writer import StoreSettings
from tests.store.days import DAY, message, numbers_in

SETTINGS = StoreSettings(floor_bytes=0, buffer_bytes=1 << 20, segment_bytes=1 << 20, sync_interval_s=0.02)
FRAME_BYTES = 9_302


def fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def one_run(folder: Path) -> dict[str, float]:
    """Record, run out of room, and go on; returns what was seen."""
    hold = StoreHold.take(folder / "store")
    with Recorder(hold, DAY, settings=SETTINGS, now_ns=lambda: 0) as recorder:
        sent = _send(recorder, 0, 20)
        recorder.flush()
        fill(folder / "filler")
        full_s = time.monotonic()
        while recorder.status.alarm is None:
            sent = _send(recorder, sent, 5)
            time.sleep(0.002)
        alarm_s = time.monotonic() - full_s
        sent = _send(recorder, sent, 300)  # more than memory holds
        acknowledged = recorder.acknowledged.process
        seen = numbers_in(day_folder(hold.store, DAY))
        (folder / "filler").unlink()
        while recorder.status.alarm is not None:
            time.sleep(0.01)
        sent = _send(recorder, sent, 20)
        unrecorded = recorder.status.unrecorded
        done = recorder.close()
    hold.release()
    with Recording.open(day_folder(hold.store, DAY)) as recording:
        told = sum("found no room" in gap.cause for gap in recording.gaps())
    found = numbers_in(day_folder(hold.store, DAY))
    whole = done and found == sorted(set(found)) and found[-1] == sent - 1 and len(found) + unrecorded == sent
    return {"lost": float(not whole or len(seen) < acknowledged), "told": told, "alarm_s": alarm_s}


def _send(recorder: Recorder, first: int, count: int) -> int:
    for number in range(first, first + count):
        recorder.append(message(number, FRAME_BYTES), 1_000 + number, number % 3)
    return first + count


def main(folder: Path, runs: int) -> dict[str, float]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], check=True)
    seen = []
    for _ in range(runs):
        seen.append(one_run(folder))
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    return {
        "runs": runs,
        "lost": sum(one["lost"] for one in seen),
        "told": sum(one["told"] > 0 for one in seen),
        "alarm_s_max": round(max(one["alarm_s"] for one in seen), 3),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
