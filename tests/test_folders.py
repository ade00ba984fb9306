"""Where data is kept; tests/master/test_folder.py has the platforms."""

from __future__ import annotations

import subprocess
import sys

from kitecli.folders import data_dir
from kitecli.master import folder


def test_masters_and_vaults_are_below_one_folder():
    assert folder.data_dir is data_dir


def test_asking_for_it_loads_nothing_that_costs():
    code = "import sys; import kitecli.folders; print('pathlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
