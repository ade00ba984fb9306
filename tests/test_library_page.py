"""Every example in docs/library.md and the one in README.md, run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
PAGE = (CHECKOUT / "docs" / "library.md").read_text()
README = (CHECKOUT / "README.md").read_text()
EXAMPLES = re.findall(r"^## (.+?)$|^```python\n(.*?)^```", PAGE + README, re.MULTILINE | re.DOTALL)


def _examples():
    title = ""
    for heading, code in EXAMPLES:
        title = heading or title
        if code:
            yield pytest.param(code, id=title.replace(" ", "-"))


@pytest.mark.parametrize("code", list(_examples()))
def test_an_example_runs_as_it_stands(code, tmp_path, monkeypatch):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "run"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_every_figure_of_the_statistics_is_explained():
    from kitecli import DataFeedService

    missing = [key for key in DataFeedService(simulated=True).get_statistics() if f"`{key}`" not in PAGE]
    assert not missing
