"""Single keys from a terminal, as they are pressed, and the terminal as it was afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from kitecli.stdin import at_terminal

ARROWS: Final = {b"A": "up", b"B": "down", b"C": "right", b"D": "left"}
_INTRODUCERS: Final = (b"\x1b[", b"\x1bO")


def keys_in(data: bytes) -> list[str]:
    """The keys of what a terminal sent: letters as they are, arrows by name. Other sequences are passed over."""
    found, at = [], 0
    while at < len(data):
        if data[at : at + 2] in _INTRODUCERS:
            if name := ARROWS.get(data[at + 2 : at + 3]):
                found.append(name)
            at += 3
        else:
            found.append(chr(data[at]))
            at += 1
    return found


class Keys:
    """Keys of the terminal ``descriptor``; of no terminal at all where that is None."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def watch(self, press: Callable[[str], None]) -> None:
        """Call ``press`` on the running loop with each key; replaces whom that loop called before."""
        if self._descriptor is not None:
            asyncio.get_running_loop().add_reader(self._descriptor, self._read, self._descriptor, press)

    def _read(self, descriptor: int, press: Callable[[str], None]) -> None:
        for key in keys_in(os.read(descriptor, 64)):
            press(key)


@contextmanager
def pressed_keys() -> Iterator[Keys]:
    """The keys of standard input while it lasts. Nobody's where that is no terminal, or one of Windows."""
    if sys.platform == "win32" or not at_terminal():
        yield Keys(None)
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
