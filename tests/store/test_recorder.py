"""The recorder as a feed has it: a thread, a lock, real files."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from hashlib import sha256

import pytest

from kitecli.errors import EnvironmentProblem, RecordingHeld
from kitecli.market.gap import Gap
from kitecli.store.disk import Disk
from kitecli.store.layout import CLOCK, GAP, PLACED, STREAMING, SUBSCRIBED, TIMER
from kitecli.store.payloads import ClockOffset, decode_placed, decode_subscribed
from kitecli.store.recorder import Recorder, StoreHold
from kitecli.store.recording import Recording
from kitecli.store.writer import StoreSettings
from tests.store.days import DAY, message
from tests.store.disks import FullDisk

SETTINGS = StoreSettings(floor_bytes=0, buffer_bytes=1 << 20)
MASTER = b"instrument_token,exchange_token\n1,2\n"


class SlowDisk(Disk):
    """Syncs when it is told to; ``syncing``: one has begun."""

    def __init__(self):
        self.ready, self.syncing = threading.Event(), threading.Event()

    def sync(self, descriptor):
        self.syncing.set()
        self.ready.wait(10)


@pytest.fixture
def hold(tmp_path):
    hold = StoreHold.take(tmp_path / "store")
    yield hold
    hold.release()


def wait_until(true, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_day_with_all_that_belongs_to_it(hold):
    with Recorder(hold, DAY, master=MASTER, settings=SETTINGS, about=lambda: {"connections": [1]}) as recorder:
        recorder.append_subscribed({5: "full", 6: None}, 10, 1)
        assert recorder.append(message(1), 11, 1)
        recorder.append_gap(Gap(1, (5,), 12, None, "cut"), 13)
        recorder.append_clock(ClockOffset(3, 1, "ntp"), 14)
        recorder.append_placed({5: 3}, 15)
        recorder.append_streaming({5: "quote"}, 16, 2)
        recorder.append_timer(17)
        recorder.append_timer(18, 4)
        assert recorder.flush()
        assert (recorder.acknowledged.process, recorder.acknowledged.power) == (8, 8)
    folder = hold.store / "2026-11-20"
    assert sorted(path.name for path in folder.iterdir()) == [
        "0001.kseg",
        f"master-{sha256(MASTER).hexdigest()[:8]}.csv.gz",
    ]
    with Recording.open(folder) as recording:
        records = list(recording.records())
        header = next(recording.segments()).header
        assert recording.master == sha256(MASTER).digest()
        assert recording.gaps() == [Gap(1, (5,), 12, None, "cut")]
    assert [record.kind for record in records] == [SUBSCRIBED, 1, GAP, CLOCK, PLACED, STREAMING, TIMER, TIMER]
    assert decode_placed(records[4].payload) == {5: 3}
    assert (decode_subscribed(records[5].payload), records[5].connection) == ({5: "quote"}, 2)
    assert [(record.ts_recv_ns, bytes(record.payload)) for record in records[6:]] == [(17, b""), (18, b"\4\0\0\0")]
    assert decode_subscribed(records[0].payload) == {5: "full", 6: None}
    assert header.about["connections"] == [1]
    assert {"writer", "clock", "settings"} < set(header.about)
    assert header.day == date(2026, 11, 20)
    (kept,) = folder.glob("master*")
    assert gzip.decompress(kept.read_bytes()) == MASTER


def test_a_master_that_a_power_cut_left_empty_is_written_again(hold):
    name = f"master-{sha256(MASTER).hexdigest()[:8]}.csv.gz"
    path = hold.store / DAY.isoformat() / name
    path.parent.mkdir()
    path.touch()
    with Recorder(hold, DAY, master=MASTER, settings=SETTINGS):
        assert gzip.decompress(path.read_bytes()) == MASTER


def test_what_is_appended_is_in_the_kernel_soon_and_on_disk_at_the_interval(hold):
    settings = StoreSettings(floor_bytes=0, buffer_bytes=1 << 20, sync_interval_s=0.1)
    with Recorder(hold, DAY, settings=settings) as recorder:
        recorder.append(message(1), 1, 0)
        wait_until(lambda: recorder.acknowledged.process == 1)
        wait_until(lambda: recorder.acknowledged.power == 1)
        status = recorder.status
        assert status.alarm is None
        assert status.path.name == "0001.kseg"
        assert status.written_bytes > 300
        assert status.free_bytes > 0


def test_a_second_run_of_the_day_goes_on_and_tells_of_the_pause(hold):
    for number in (1, 2):
        with Recorder(hold, DAY, settings=SETTINGS) as recorder:
            recorder.append(message(number), 1_000 * number, 0)
    with Recording.open(hold.store / "2026-11-20") as recording:
        assert [int.from_bytes(frame.payload[:8], "big") for frame in recording.frames()] == [1, 2]
        (gap,) = recording.gaps()
    assert (gap.tokens, gap.from_ns, gap.cause) == ((), 1_000, "nothing was recording")
    assert gap.to_ns is not None


def test_days_have_their_own_files(hold):
    for day in (date(2026, 11, 20), date(2026, 11, 23)):
        with Recorder(hold, day, settings=SETTINGS) as recorder:
            recorder.append(message(day.day), 1, 0)
    assert sorted(path.name for path in hold.store.iterdir() if path.is_dir()) == ["2026-11-20", "2026-11-23"]


def test_a_full_disk_alarms_within_a_second_and_recording_resumes_by_itself(hold):
    disk = FullDisk(5_000)
    with Recorder(hold, DAY, settings=SETTINGS, disk=disk) as recorder:
        begun = time.monotonic()
        for number in range(100):
            assert recorder.append(message(number), 1_000 + number, number % 3)
        wait_until(lambda: recorder.status.alarm is not None)
        assert time.monotonic() - begun < 1
        assert not recorder.flush(0.05)
        disk.room = 1 << 30
        assert recorder.flush()
        assert recorder.status.alarm is None
        assert recorder.acknowledged.power == 100
        assert recorder.close()


def test_an_import_waits_for_room_and_loses_nothing(hold):
    with Recorder(hold, DAY, settings=SETTINGS) as recorder:
        for number in range(3_000):
            recorder.wait_for_room()
            assert recorder.append(message(number, 3_000), 1_000 + number, number % 3)
        recorder.flush()
        assert recorder.acknowledged.power == 3_000
        assert recorder.status.unrecorded == 0


def test_who_waits_for_room_wakes_the_writer(hold):
    disk = SlowDisk()
    asleep = replace(SETTINGS, write_interval_s=3600.0)
    with ThreadPoolExecutor(1) as other, Recorder(hold, DAY, settings=asleep, disk=disk) as recorder:
        while recorder.status.waiting_bytes <= 3 << 18:
            assert recorder.append(bytes(3_000), 1_000)
        waiting = other.submit(recorder.wait_for_room)
        assert disk.syncing.wait(10)
        assert recorder.append(bytes(3_000), 1_000)  # behind what is being synced
        assert not waiting.done()
        disk.ready.set()
        waiting.result(10)


def test_an_import_on_a_full_disk_is_told(hold):
    with Recorder(hold, DAY, settings=SETTINGS, disk=FullDisk(5_000)) as recorder:
        while recorder.append(bytes(3_000), 1_000, 0):
            pass
        with pytest.raises(EnvironmentProblem):
            recorder.wait_for_room()


def test_one_writes_and_the_others_hear_who(hold):
    with pytest.raises(RecordingHeld, match=f"process {os.getpid()} does"):
        StoreHold.take(hold.store)
    hold.release()
    hold.release()
    StoreHold.take(hold.store).release()


def test_a_killed_holder_lets_go_and_its_torn_tail_is_cut(tmp_path):
    script = (
        "import sys, time, pathlib\n"
        "from tests.store.test_recorder import *\n"
        "with Recorder(StoreHold.take(pathlib.Path(sys.argv[1])), DAY, settings=SETTINGS) as recorder:\n"
        "    recorder.append(message(1), 1, 0)\n"
        "    recorder.flush()\n"
        "    print('there', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"there\n"
        with pytest.raises(RecordingHeld, match=f"process {child.pid} does"):
            StoreHold.take(tmp_path)
        child.send_signal(signal.SIGKILL)
        child.wait()
    with (tmp_path / "2026-11-20" / "0001.kseg").open("ab") as file:
        file.write(b"torn")
    StoreHold.take(tmp_path).release()
    with Recording.open(tmp_path / "2026-11-20") as recording:
        assert next(recording.segments()).end is not None
        assert len(list(recording.frames())) == 1


def test_a_folder_that_cant_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="can't be written"):
        StoreHold.take(tmp_path / "file" / "store")
