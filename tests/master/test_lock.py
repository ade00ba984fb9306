from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from kitecli.master.lock import exclusive

HOLD = """
import sys, time
from pathlib import Path
from kitecli.master.lock import exclusive
with exclusive(Path(sys.argv[1]), 0, time.sleep):
    print('held', flush=True)
    time.sleep(60)
"""


def test_one_holds_it_and_the_system_takes_it_from_the_dead(tmp_path: Path):
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        waited: list[float] = []
        with exclusive(path, 0.1, waited.append) as held:
            assert not held
        assert sum(waited) >= 0.099
        holder.kill()
        holder.wait()
        with exclusive(path, 30, time.sleep) as held:
            assert held
    with exclusive(path, 0, time.sleep) as held:
        assert held
