"""A kite at a terminal of its own: what it asks is seen, what is answered is typed."""

from __future__ import annotations

import os
import select
import sys
import time
from types import TracebackType
from typing import Self

PATIENCE_S = 30.0


class AtTerminal:
    """``kite ARGUMENTS…`` on a pseudo-terminal. ``seen``: everything that stood on the screen."""

    def __init__(self, *arguments: str) -> None:
        self.seen = ""
        self._read_to = 0
        self._arguments = arguments

    def __enter__(self) -> Self:
        import pty

        self._pid, self._terminal = pty.fork()
        if not self._pid:
            os.execv(sys.executable, [sys.executable, "-m", "kitecli", *self._arguments])
        return self

    def answer(self, prompt: str, text: str) -> None:
        """Wait until it asks, then type a line."""
        deadline = time.monotonic() + PATIENCE_S
        while prompt not in self.seen[self._read_to :]:
            assert time.monotonic() < deadline, f"{prompt!r} wasn't asked: {self.seen}"
            assert self._more(), f"{prompt!r} wasn't asked: {self.seen}"
        self._read_to = self.seen.index(prompt, self._read_to) + len(prompt)
        # getpass switches the echo off before it asks; typed after the prompt nothing is shown.
        os.write(self._terminal, text.encode() + b"\n")

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
        self.seen += data.decode()
        return bool(data)
