"""What a process with an open vault does about its memory, seen from outside in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

BEGIN = """
import os, signal, sys, time, resource, pathlib
sys.path.insert(0, {checkout!r})
from tests.vault.made import *
from kitecli.secret import Secret
opened = filled(pathlib.Path({folder!r})).unlock(Secret(PASSWORD))
key = opened._key
"""


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    begin = BEGIN.format(checkout=str(CHECKOUT), folder=str(folder))
    return subprocess.run(
        [sys.executable, "-c", begin + code], capture_output=True, text=True, timeout=60, check=False, cwd=folder
    )


def test_the_key_is_overwritten_at_exit(tmp_path: Path):
    # Functions registered before run after: this one is the last to look.
    code = """
import atexit
import kitecli.vault.guard as guard
atexit.unregister(guard.close_all)
atexit.register(lambda: print("overwritten" if key == bytes(32) else "there"))
atexit.register(guard.close_all)
"""
    assert run(tmp_path, code).stdout == "overwritten\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM there")
def test_the_key_is_overwritten_on_sigterm_which_ends_the_process_all_the_same(tmp_path: Path):
    code = """
import kitecli.vault.guard as guard
close_all = guard.close_all
def watched():
    close_all()
    os.write(1, b"overwritten" if key == bytes(32) else b"there")
guard.close_all = watched
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(30)
"""
    ended = run(tmp_path, code)
    assert (ended.stdout, ended.returncode) == ("overwritten", -signal.SIGTERM)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM there")
def test_a_handler_that_was_there_stays_and_atexit_overwrites(tmp_path: Path):
    first = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
    begin = BEGIN.format(checkout=str(CHECKOUT), folder=str(tmp_path)).replace("opened =", first + "opened =")
    code = begin + "os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(30)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert ended.returncode == 7, ended.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="core dumps and /proc are Linux's here")
def test_no_core_is_left_although_the_shell_allows_it(tmp_path: Path):
    allow = "import resource; hard = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
    allow += "resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))\n"
    begin = allow + BEGIN.format(checkout=str(CHECKOUT), folder=str(tmp_path))
    code = begin + "print(resource.getrlimit(resource.RLIMIT_CORE)[0], flush=True)\nos.abort()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (-signal.SIGABRT, b"0\n")
    assert [one.name for one in tmp_path.iterdir()] == ["vault"]


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_it_isn_t_dumpable(tmp_path: Path):
    code = "import ctypes\nprint(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # PR_GET_DUMPABLE
    assert run(tmp_path, code).stdout == "0\n"


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="needs another user to be")
def test_another_process_of_the_same_user_can_t_read_its_memory():
    """Root may read anything, so both become somebody else first."""
    become = "import os; os.setgid(12345); os.setuid(12345)\n"
    with tempfile.TemporaryDirectory() as name:  # pytest's are root's alone
        os.chown(name, 12345, 12345)
        begin = become + BEGIN.format(checkout=str(CHECKOUT), folder=name)
        code = begin + "print('open', flush=True)\nsys.stdin.read()"
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            if process.stdout.readline() != b"open\n":
                pytest.skip("another user can't read this checkout")
            look = become + f"open('/proc/{process.pid}/mem', 'rb')"
            reading = subprocess.run([sys.executable, "-c", look], capture_output=True, timeout=60, check=False)
            process.communicate(b"", timeout=60)
    assert b"PermissionError" in reading.stderr
