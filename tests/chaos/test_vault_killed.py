"""A vault whose writer is killed at any moment opens with exactly one password, and nothing is left beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked or killed like that there")


@pytest.mark.parametrize("kills", [200, pytest.param(1000, marks=pytest.mark.soak)])
def test_exactly_one_password_opens_after_every_kill(tmp_path: Path, kills: int):
    command = [sys.executable, "-m", "tests.chaos.vault_kills", str(tmp_path), str(kills)]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=900, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    print("\n", found)
    assert (found["kills"], found["opened by one password"]) == (kills, kills)
    assert (found["unreadable"], found["leftover files"]) == (0, 0)
    # Kills that hit nothing would prove nothing.
    assert kills < 1000 or min(found["data keys"], found["killed while writing"]) > 10
