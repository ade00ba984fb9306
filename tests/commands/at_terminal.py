"""A kite at a terminal of its own: what it asks is seen, what is answered is typed."""

from __future__ import annotations

import codecs
import os
import select
import sys
import time
from types import TracebackType
from typing import Self

PATIENCE_S = 30.0


class AtTerminal:
    """``kite ARGUMENTS…`` on a pseudo-terminal. ``seen``: everything that stood on the screen; ``size``: its lines and
    columns, where they count.
    """

    def __init__(self, *arguments: str, size: tuple[int, int] = (0, 0)) -> None:
        self.seen = ""
        self._read_to = 0
        self._arguments = arguments
        self._size = size
        self._text = codecs.getincrementaldecoder("utf-8")()  # a letter may come in two reads

    def __enter__(self) -> Self:
        import pty
        import termios

        self._pid, self._terminal = pty.fork()
        if not self._pid:
            termios.tcsetwinsize(0, self._size)
            os.execv(sys.executable, [sys.executable, "-m", "kitecli", *self._arguments])
        return self

    def answer(self, prompt: str, text: str) -> None:
        """Wait until it asks, then type a line."""
        self.shows(prompt)
        # getpass switches the echo off before it asks; typed after the prompt nothing is shown.
        os.write(self._terminal, text.encode() + b"\n")

    def shows(self, text: str) -> None:
        """Wait until it stands on the screen, below what was waited for before."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.seen[self._read_to :]:
            assert time.monotonic() < deadline, f"{text!r} wasn't shown: {self.seen}"
            assert self._more(), f"{text!r} wasn't shown: {self.seen}"
        self._read_to = self.seen.index(text, self._read_to) + len(text)

    def ends(self) -> int:
        """Its exit code."""
        while self._more():
            pass
        deadline = time.monotonic() + PATIENCE_S
        while not (ended := os.waitpid(self._pid, os.WNOHANG))[0]:
            assert time.monotonic() < deadline, f"it waits for something: {self.seen}"
            time.sleep(0.01)
        status = ended[1]
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pid:
            os.kill(self._pid, 9)
            os.waitpid(self._pid, 0)
        os.close(self._terminal)

    def _more(self) -> bool:
        if not select.select([self._terminal], [], [], PATIENCE_S)[0]:
            return False
        try:
            data = os.read(self._terminal, 4096)
        except OSError:  # what Linux says when the last writer has gone
            return False
        self.seen += self._text.decode(data)
        return bool(data)
