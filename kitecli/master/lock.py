"""One process at a time: a lock the system releases when its holder dies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

LOOK_AGAIN_S: Final = 0.02


@contextmanager
def exclusive(path: Path, patience_s: float, wait: Callable[[float], None]) -> Iterator[bool]:
    """Hold the lock of a file; False where somebody else kept it for ``patience_s``."""
    with path.open("a+b") as file:
        held = _take(file)
        for _ in range(round(patience_s / LOOK_AGAIN_S)):
            if held:
                break
            wait(LOOK_AGAIN_S)
            held = _take(file)
        yield held  # closing the file gives the lock back


if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
