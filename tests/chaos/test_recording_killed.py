"""kill -9 at random instants while recording and sealing: nothing acknowledged is lost, nothing comes back wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks, and kills with SIGKILL")


def killed(store: Path, kills: int, seed: int, *fault: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.chaos.recording_kills", store, str(kills), str(seed), *fault]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=3_000)
    assert done.returncode == 0, done.stderr
    figures: dict[str, float] = json.loads(done.stdout)
    print(figures)
    return figures


def test_what_was_acknowledged_survives_being_killed(tmp_path: Path):
    figures = killed(tmp_path / "store", 30, 1)
    assert figures["starts"] > 15
    assert figures["acknowledged_lost"] == 0
    assert figures["frames"] == figures["frames_before_the_last_look"] > 500
    assert figures["sealed"] >= figures["segments"] - 2 > 15  # but what is written, and what died at birth


def test_a_writer_that_acknowledges_before_it_writes_is_caught(tmp_path: Path):
    assert killed(tmp_path / "store", 15, 2, "early")["acknowledged_lost"] > 0


@pytest.mark.soak
def test_a_thousand_kills(tmp_path: Path):
    figures = killed(tmp_path / "store", 1_000, 3)
    assert figures["acknowledged_lost"] == 0
    assert figures["frames"] == figures["frames_before_the_last_look"] > 20_000
    assert figures["sealed"] >= figures["segments"] - 2 > 700
    assert figures["sealing_kills"] > 50
