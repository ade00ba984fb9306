"""Where data that outlives a run is kept. Light: shell completion asks at every press of a key."""

from __future__ import annotations

import os
import sys


def data_dir() -> str:
    """``$KITE_DATA_DIR``, else ``$XDG_DATA_HOME/kite`` (``~/.local/share/kite``); Windows: ``%LOCALAPPDATA%/kite``."""
    if chosen := os.environ.get("KITE_DATA_DIR"):
        return chosen
    home = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_DATA_HOME")
    return os.path.join(home or os.path.expanduser("~/.local/share"), "kite")  # noqa: PTH111, PTH118 - no pathlib here
