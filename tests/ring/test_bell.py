"""Bells and lifelines among processes; readers' use of them is in test_seats and test_reader."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kitecli.ring.bell import UNWOKEN_WAIT_S, Bell, hold_lifeline, open_bell, unheard
from tests.ring.implementations import LONG_S, woken

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")

HOLDER = """
import sys, time
from pathlib import Path
from kitecli.ring.bell import hold_lifeline
held = hold_lifeline(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def lifeline(tmp_path: Path) -> Path:
    return tmp_path / "life"


@pytest.fixture
def holder(lifeline: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(lifeline)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def bell(tmp_path: Path, lifeline: Path, holder: subprocess.Popen[str]) -> Iterator[Bell]:
    bell = Bell(tmp_path / "bell", lifeline)
    yield bell
    bell.close()


def rung(path: Path) -> None:
    descriptor = open_bell(path)
    assert descriptor is not None
    os.write(descriptor, b"w")
    os.close(descriptor)


def test_a_sleeper_is_woken_by_its_bell(bell: Bell, tmp_path: Path):
    ringing = threading.Timer(0.05, rung, [tmp_path / "bell"])
    ringing.start()
    with woken():
        bell.block(LONG_S)
    ringing.join()
    assert not bell.abandoned


def test_rung_often_it_wakes_once(bell: Bell, tmp_path: Path):
    descriptor = open_bell(tmp_path / "bell")
    assert descriptor is not None
    os.write(descriptor, b"w" * 100)
    with woken():
        bell.block(LONG_S)
    before = time.monotonic()
    bell.block(0.05)
    assert time.monotonic() - before >= 0.045
    os.close(descriptor)


def test_a_sleeper_sleeps_no_longer_than_asked(bell: Bell):
    before = time.monotonic()
    bell.block(0.05)
    assert 0.045 <= time.monotonic() - before < LONG_S
    assert not bell.abandoned


def test_a_sleeper_is_told_of_the_holder_s_death(bell: Bell, holder: subprocess.Popen[str]):
    dying = threading.Timer(0.05, holder.kill)
    dying.start()
    with woken():
        bell.block(LONG_S)
    dying.join()
    assert bell.abandoned


def test_who_doesn_t_sleep_can_ask(bell: Bell, holder: subprocess.Popen[str]):
    assert not bell.abandoned
    holder.kill()
    holder.wait()
    assert bell.abandoned
    before = time.monotonic()
    with woken():
        bell.block(LONG_S)
    assert time.monotonic() - before >= UNWOKEN_WAIT_S * 0.9, "or it would spin"


def test_a_lifeline_let_go_before_anybody_listened(tmp_path: Path, lifeline: Path, holder: subprocess.Popen[str]):
    holder.kill()
    holder.wait()
    bell = Bell(tmp_path / "bell", lifeline)
    assert bell.abandoned
    bell.close()


def test_a_lifeline_removed_before_anybody_listened(tmp_path: Path):
    bell = Bell(tmp_path / "bell", tmp_path / "never")
    assert bell.abandoned
    with woken():
        bell.block(LONG_S)
    bell.close()


def test_who_rings_learns_that_nobody_listens(bell: Bell, tmp_path: Path):
    descriptor = open_bell(tmp_path / "bell")
    assert descriptor is not None
    assert not unheard(descriptor)
    bell.close()
    assert unheard(descriptor)
    assert open_bell(tmp_path / "bell") is None
    os.close(descriptor)


def test_nobody_listens_to_what_was_never_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "bell")
    assert open_bell(tmp_path / "bell") is None


def test_closing_leaves_the_bell_of_a_later_sleeper_alone(bell: Bell, tmp_path: Path, lifeline: Path):
    later = Bell(tmp_path / "bell", lifeline)
    bell.close()
    bell.close()
    rung(tmp_path / "bell")
    with woken():
        later.block(LONG_S)
    later.close()
    assert not (tmp_path / "bell").exists()


def test_a_lifeline_ends_with_its_descriptor(tmp_path: Path):
    held = hold_lifeline(tmp_path / "mine")
    assert held is not None
    bell = Bell(tmp_path / "bell", tmp_path / "mine")
    assert not bell.abandoned
    os.close(held)
    assert bell.abandoned
    bell.close()
