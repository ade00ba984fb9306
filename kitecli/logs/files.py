"""The log's file and those before it, written by any number of processes.

In the log folder (0700), each file 0600::

    kite.log      the newest lines
    kite.log.1    the file before it, and so on to kite.log.<keep>, the oldest
    kite.log.lock held by who puts files aside

A line is one ``write`` to a file opened for appending, which no other process's line gets between. The file is opened
for each, 20 us on a thread that has time: so nobody holds one that was put aside, and a disk that was full is written
to again as soon as it isn't.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from kitecli.ring.locks import LockFile

NAME: Final = "kite.log"


class LogFiles:
    """``rotate_bytes``: a file of that size is put aside; ``keep``: how many of those there are at most."""

    def __init__(self, folder: Path, rotate_bytes: int, keep: int) -> None:
        self.path = folder / NAME
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._torn = False

    def append(self, line: str) -> None:
        """Raises :class:`OSError`, also where only a part found room."""
        content = line.encode("utf-8", "backslashreplace") + b"\n"
        with suppress(FileNotFoundError):
            if self.path.stat().st_size + len(content) > self._rotate_bytes:
                self._put_aside(len(content))
        descriptor = self._open()
        try:
            self._write(descriptor, b"\n" + content if self._torn else content)
        finally:
            os.close(descriptor)

    def _write(self, descriptor: int, content: bytes) -> None:
        """Half a line, where a disk was full, must not take the next one with it."""
        written = os.write(descriptor, content)
        self._torn = written < len(content)
        if self._torn:
            os.write(descriptor, content[written:])  # raises what kept the rest out
            self._torn = False

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        try:
            return os.open(self.path, flags, 0o600)
        except FileNotFoundError:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.path, flags, 0o600)

    def _put_aside(self, coming: int) -> None:
        """Whoever comes second does nothing: another is at it, or has done it."""
        held = LockFile.take(self.path.with_name(f"{NAME}.lock"))
        if held is None:
            return
        try:
            if self.path.stat().st_size + coming > self._rotate_bytes:
                with suppress(PermissionError):  # Windows: somebody reads one just now; the next line tries again
                    self._shift()
        finally:
            held.release()

    def _shift(self) -> None:
        if not self._keep:
            self.path.unlink()
            return
        for number in range(self._keep, 1, -1):
            with suppress(FileNotFoundError):
                self._aside(number - 1).replace(self._aside(number))
        self.path.replace(self._aside(1))

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{NAME}.{number}")


def in_order(folder: Path) -> list[Path]:
    """The files there are, oldest first."""
    numbered = {int(path.suffix[1:]): path for path in folder.glob(f"{NAME}.*") if path.suffix[1:].isdigit()}
    newest = [folder / NAME] if (folder / NAME).exists() else []
    return [numbered[number] for number in sorted(numbered, reverse=True)] + newest
