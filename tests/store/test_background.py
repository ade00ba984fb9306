"""Sealing in a process of its own, as who records starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kitecli.ring.locks import LockFile
from kitecli.store import background
from kitecli.store.background import Sealing, start_sealing
from kitecli.store.folder import day_folder, segment_paths
from kitecli.store.recording import Recording
from kitecli.store.sealing import LOCK
from tests.store.days import DAY, Day, numbers_in

WAIT_S = 60
posix = pytest.mark.skipif(sys.platform == "win32", reason="a shell stands in for Python")


@pytest.fixture
def store(tmp_path):
    """A day of several ended segments and one that goes on."""
    folder = day_folder(tmp_path, DAY)
    folder.mkdir()
    day = Day(folder)
    for _ in range(6):
        day.send(60)
        day.step()
    return tmp_path


def sealed(store, *options):
    command = [sys.executable, "-m", "kitecli.store", str(store), *options]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=WAIT_S, stdin=subprocess.DEVNULL
    )


def until(condition):
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it didn't come about"
        time.sleep(0.02)


@pytest.fixture
def run(tmp_path_factory, monkeypatch):
    """Have something else run in the place of Python: a shell's line."""
    script = tmp_path_factory.mktemp("bin") / "python"

    def put(line):
        script.write_text(f"#!/bin/sh\n{line}\n")
        script.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(script))

    return put


@pytest.fixture
def counted(run, tmp_path_factory):
    """How often a process was started."""
    log = tmp_path_factory.mktemp("log") / "starts"
    log.touch()
    run(f"echo started >> {log}")
    return lambda: log.read_text().splitlines()


def suffixes(store):
    return [path.suffix for path in segment_paths(day_folder(store, DAY))]


def test_all_that_is_ended_is_sealed_and_what_is_being_written_is_not(store):
    assert sealed(store).returncode == 0
    *ended, last = suffixes(store)
    assert len(ended) > 2
    assert set(ended) == {".kpak"}
    assert last == ".kseg"
    assert numbers_in(day_folder(store, DAY)) == list(range(360))


def test_what_a_recorder_has_ended_is_packed_beside_it(store):
    sealing = Sealing(store)
    sealing.look(store)
    until(lambda: set(suffixes(store)[:-1]) == {".kpak"})
    assert suffixes(store)[-1] == ".kseg"
    assert numbers_in(day_folder(store, DAY)) == list(range(360))
    sealing.close()


def test_what_a_recording_leaves_is_packed_by_a_process_that_is_on_its_own(tmp_path, monkeypatch):
    folder = day_folder(tmp_path, DAY)
    folder.mkdir()
    day = Day(folder)
    day.send(300)
    assert day.writer.close(day.now_s)
    monkeypatch.setenv("KITE_ACCESS_TOKEN", "canary")
    started = processes(monkeypatch)
    with Recording.open(folder) as reading:
        first = next(frames := reading.frames())
        Sealing(tmp_path).finish()
        until(lambda: set(suffixes(tmp_path)) == {".kpak"})
        assert [first, *frames] == [*frames_of(folder)]  # whoever had it open reads on
    [(command, options)] = started
    assert "--attended" not in command
    assert options["stdin"] == subprocess.DEVNULL
    assert "KITE_ACCESS_TOKEN" not in options["env"]


@posix
def test_nobody_waits_for_what_packs_a_recordings_last_file(store, run, caplog):
    gate = store / "gate"
    os.mkfifo(gate)
    run(f"read line < {gate}; exit 6")
    with ThreadPoolExecutor(1) as other:
        finishing = other.submit(Sealing(store).finish)
        try:
            finishing.result(20)
        finally:
            gate.write_text("on\n")
    until(lambda: "kite data seal says why" in caplog.text)


def test_what_is_damaged_stays_raw_and_the_rest_is_packed(store):
    first, second = segment_paths(day_folder(store, DAY))[:2]
    raw = first.read_bytes()
    first.write_bytes(raw[:9_000] + bytes([raw[9_000] ^ 1]) + raw[9_001:])
    Sealing(store).finish()
    until(lambda: not second.exists())
    assert first.exists()
    assert not first.with_suffix(".kpak").exists()


def frames_of(folder):
    with Recording.open(folder) as recording:
        yield from recording.frames()


def processes(monkeypatch):
    """What is started from now on: its command and the options."""
    started, real = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *of, **by: started.append((of[0], by)) or real(*of, **by))
    return started


@posix
def test_a_process_is_started_where_something_is_ended_and_another_file_is_begun(store, run, counted):
    first, last = store / "1", store / "2"
    sealing = Sealing(store)
    for writing, starts in ((first, 1), (first, 1), (last, 2), (last, 2)):
        sealing.look(writing)
        until(lambda starts=starts: len(counted()) >= starts)
        sealing.close()
        assert len(counted()) == starts


@posix
def test_where_nothing_is_ended_no_process_is_started(tmp_path, run, counted):
    folder = day_folder(tmp_path, DAY)
    folder.mkdir()
    Day(folder).send(5)
    sealing = Sealing(tmp_path)
    sealing.look(folder)
    sealing.finish()
    assert counted() == []


def test_a_process_that_cant_be_started_harms_nobody(store, monkeypatch, caplog):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    sealing = Sealing(store)
    sealing.look(store)
    sealing.finish()
    assert set(suffixes(store)) == {".kseg"}
    assert "could not be started" in caplog.text


@posix
def test_what_could_not_be_sealed_stands_in_the_log(store, run, caplog):
    run("exit 6")
    sealing = Sealing(store)
    sealing.look(store)
    sealing.close()
    assert "kite data seal says why" in caplog.text


def test_an_attended_process_ends_with_its_parents_pipe(store):
    process = start_sealing(store)
    with process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(WAIT_S) == 0
    assert numbers_in(day_folder(store, DAY)) == list(range(360))


@posix
def test_closing_ends_a_process_that_is_stuck(store, run, monkeypatch):
    run("exec sleep 3600")
    monkeypatch.setattr(background, "PATIENCE_S", 0.05)
    sealing = Sealing(store)
    sealing.look(store)
    sealing.close()  # and pytest would say of a process that is still there


def test_what_it_cant_seal_is_said_and_doesnt_keep_it_from_the_rest(store):
    first = segment_paths(day_folder(store, DAY))[0]
    raw = bytearray(first.read_bytes())
    raw[9_000] ^= 1
    first.write_bytes(raw)
    done = sealed(store)
    assert done.returncode == 6
    assert f"{first} is damaged" in done.stderr
    assert suffixes(store)[0] == ".kseg"
    assert ".kpak" in suffixes(store)


def test_where_another_one_seals_it_leaves_it_to_that(store):
    lock = LockFile.take(store / LOCK)
    assert lock is not None
    done = sealed(store)
    lock.release()
    assert (done.returncode, done.stderr) == (0, "")
    assert set(suffixes(store)) == {".kseg"}


def test_where_there_is_no_store_it_says_so(tmp_path):
    done = sealed(tmp_path / "none")
    assert done.returncode == 6
    assert "none" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there the process is made with its priority")
def test_it_gives_way_to_everything_else():
    code = "import os; from kitecli.store.background import give_way; give_way(); print(os.nice(0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=WAIT_S)
    assert int(done.stdout) == 19
