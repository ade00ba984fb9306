"""Is there a browser, and what does it get to know."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from kitecli.auth.browser import browser_at, has_browser


@pytest.mark.parametrize(
    ("environ", "platform", "wanted"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "w"}, "linux", True),
        ({}, "linux", False),
        ({}, "darwin", True),
        ({}, "win32", True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "a b"}, "linux", False),
        ({"SSH_TTY": "/dev/pts/1"}, "darwin", False),
        ({"SSH_TTY": "/dev/pts/1", "BROWSER": "w3m"}, "linux", True),
    ],
)
def test_where_a_browser_can_be_opened(environ: dict[str, str], platform: str, wanted: bool):
    assert has_browser(environ, platform) is wanted


def test_it_is_not_waited_for_and_learns_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told = tmp_path / "told"
    script = tmp_path / "browser.py"
    script.write_text(
        f"import os, sys, time\nopen({str(told)!r}, 'w').write(sys.argv[1] + str(sorted(os.environ)))\ntime.sleep(1)\n"
    )
    monkeypatch.setenv("BROWSER", f"{sys.executable} {script} %s")
    monkeypatch.setenv("KITE_API_SECRET", "canary")
    began_s = time.monotonic()
    with browser_at("http://127.0.0.1:9/?a=b&c=d"):
        while not told.exists() or "PATH" not in told.read_text():
            assert time.monotonic() - began_s < 20
            time.sleep(0.02)
    text = told.read_text()
    assert text.startswith("http://127.0.0.1:9/?a=b&c=d")
    assert "KITE_API_SECRET" not in text
