"""A disk that is really full: an alarm, no SIGBUS, nothing acknowledged lost, and recording resumes by itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kitecli.hot import COMPILED

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def may_mount(folder: Path) -> bool:
    """Whether this user may mount in a namespace of its own."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return False
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "none", folder]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def filled(folder: Path, runs: int, module: str = "recording_on_tmpfs") -> dict[str, float]:
    if not may_mount(folder):
        pytest.skip("needs to mount a small disk, which takes root and a Linux that lets it")
    command = ["unshare", "-m", sys.executable, "-m", f"tests.chaos.{module}", folder, str(runs)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=3_000)
    assert done.returncode == 0, (done.returncode, done.stderr)  # -7: SIGBUS
    figures: dict[str, float] = json.loads(done.stdout)
    print(figures)
    return figures


def test_a_full_disk_is_outlived(tmp_path: Path):
    figures = filled(tmp_path, 3)
    assert (figures["lost"], figures["told"]) == (0, 3)


@pytest.mark.soak
def test_a_hundred_full_disks(tmp_path: Path):
    figures = filled(tmp_path, 100)
    assert (figures["lost"], figures["told"]) == (0, 100)
    assert figures["alarm_s_max"] <= 1


@pytest.mark.soak
@pytest.mark.skipif(not COMPILED, reason="a feed in a process of its own needs the compiled pass")
def test_twenty_full_disks_under_kite_record(tmp_path: Path):
    """``kite record``, its feed and a reader beside it, each a process; another one takes the room."""
    figures = filled(tmp_path, 20, "recording_feed_on_tmpfs")
    assert (figures["shown"], figures["told"], figures["lost"], figures["lost_by_reader"]) == (20, 20, 0, 0)
    assert figures["packets"] > 0
    assert figures["alarm_s_max"] <= 1
