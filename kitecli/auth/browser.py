"""Whether a browser can be opened here, and opening it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from kitecli.secret import without_secrets

_OPEN: Final = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


def has_browser(environ: Mapping[str, str], platform: str) -> bool:
    """Whether somebody sits before this machine: not over SSH, and on Linux with a display."""
    if environ.get("BROWSER"):
        return True
    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return False
    return platform in {"darwin", "win32"} or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


@contextmanager
def browser_at(url: str) -> Iterator[None]:
    """Open the user's browser, which stays when the block has ended. ``url`` will stand in its command line.

    A process of its own: some browsers are waited for by ``webbrowser``, which would hand them our environment, too.
    What they print isn't ours to show, and Ctrl-C here isn't meant for them.
    """
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-c", _OPEN, url],
        env=without_secrets(os.environ),
        stdin=nowhere,
        stdout=nowhere,
        stderr=nowhere,
        start_new_session=True,
    )
    try:
        yield
    finally:
        if process.poll() is None:
            process.returncode = 0  # it isn't ours to wait for, and subprocess would complain of it
