"""Keys as a terminal sends them."""

import asyncio
import os
import pty
import sys
import termios
from pathlib import Path

import pytest

from kitecli.terminal.keys import Keys, keys_in, pressed_keys


def test_letters_and_arrows():
    assert keys_in(b" +q") == [" ", "+", "q"]
    assert keys_in(b"\x1b[C\x1bOD-\x1b[A\x1b[B") == ["right", "left", "-", "up", "down"]
    assert keys_in(b"\x1b[Z") == []


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of another kind")
def test_keys_reach_the_loop_and_the_terminal_is_as_it_was(monkeypatch):
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    pressed = []

    async def listen(keys):
        done = asyncio.Event()
        keys.watch(lambda key: (pressed.append(key), done.set() if key == "q" else None))
        os.write(ours, b"+\x1b[Cq")
        await asyncio.wait_for(done.wait(), 5)
        asyncio.get_running_loop().remove_reader(theirs)

    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with pressed_keys() as keys:
            assert termios.tcgetattr(theirs) != before
            asyncio.run(listen(keys))
        assert termios.tcgetattr(theirs) == before
    os.close(ours)
    assert pressed == ["+", "right", "q"]


def test_where_there_is_no_terminal_nobody_presses_anything(monkeypatch):
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pressed_keys() as keys:
            assert isinstance(keys, Keys)
            keys.watch(print)
