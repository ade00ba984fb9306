"""Sealing killed at every step of it, and at random, loses nothing, doubles nothing, and the next one finishes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


def killed(folder: Path, *how: str) -> dict[str, int]:
    command = [sys.executable, "-m", "tests.chaos.sealing_kills", str(folder), *how]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=2_000)
    assert done.returncode == 0, done.stderr
    figures: dict[str, int] = json.loads(done.stdout)
    print(figures)
    return figures


def test_nothing_is_lost_wherever_it_is_killed(tmp_path: Path):
    figures = killed(tmp_path, "steps")
    assert figures["kills"] > 30
    assert figures["lost"] == figures["unfinished"] == 0


def test_a_raw_file_that_goes_too_early_is_caught(tmp_path: Path):
    assert killed(tmp_path, "early")["lost"] > 0


def test_nothing_is_lost_whenever_it_is_killed(tmp_path: Path):
    figures = killed(tmp_path, "forks", "8", "1")
    assert figures["kills"] == 8
    assert figures["lost"] == figures["unfinished"] == 0


@pytest.mark.soak
def test_two_hundred_kills_of_the_process_that_seals(tmp_path: Path):
    figures = killed(tmp_path, "processes", "200", "2")
    assert figures["kills"] == 200
    assert figures["half_packed"] > 20
    assert figures["both"] > 5
    assert figures["packed"] > 20
    assert figures["lost"] == figures["unfinished"] == 0
