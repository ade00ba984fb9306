"""A wall clock of its own for real processes, set from a test while they run: days pass in seconds.

No part of kite knows of it: every process that is started with :meth:`WorldClock.variables` imports
world/sitecustomize.py first, which shifts what ``time.time`` says by the number that stands in a file.
"""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).parent / "world"


class WorldClock:
    """``path``: a file for the shift, 8 bytes that every process maps."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shift(0)

    @property
    def variables(self) -> dict[str, str]:
        """What has a process live by this clock."""
        paths = (str(HERE), os.environ.get("PYTHONPATH", ""))
        return {"WORLD_CLOCK": str(self._path), "PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def now_ns(self) -> int:
        return time.time_ns() + self._ahead_ns

    def set(self, instant: datetime) -> None:
        """It is ``instant`` now, everywhere."""
        self._shift(round(instant.timestamp()) * 1_000_000_000 - time.time_ns())

    def _shift(self, ahead_ns: int) -> None:
        self._ahead_ns = ahead_ns
        mode = "r+b" if self._path.exists() else "wb"
        with self._path.open(mode, buffering=0) as file:  # in one write: a reader never sees half of it
            file.write(ahead_ns.to_bytes(8, "little", signed=True))
