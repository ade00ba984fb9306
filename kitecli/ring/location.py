"""Where rings live: a folder of this user's, in memory where the platform has such a place."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kitecli.errors import EnvironmentProblem


def runtime_dir() -> Path:
    """The runtime folder, 0700: ``$KITE_RUNTIME_DIR``, ``$XDG_RUNTIME_DIR/kite``, else shared memory, else temporary.

    Raises :class:`EnvironmentProblem` when it can't be made, or belongs to somebody else, or to everybody.
    """
    folder = _candidate()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as cause:
        raise EnvironmentProblem(
            f"The runtime folder {folder} can't be made",
            why=str(cause.strerror),
            hint="set KITE_RUNTIME_DIR to a folder of your own",
        ) from cause
    _refuse_foreign(folder)
    return folder


@contextmanager
def files_in(folder: Path) -> Iterator[None]:
    """Within it, what the file system refuses there is said: an :class:`EnvironmentProblem` instead of an OSError."""
    try:
        yield
    except OSError as cause:
        raise EnvironmentProblem(
            f"The feed's files can't be kept in {folder}",
            why=str(cause.strerror or cause),
            hint="make room there, or set KITE_RUNTIME_DIR to a folder of your own",
        ) from cause


def free_bytes(folder: Path) -> int:
    """Bytes that can still be reserved there. Containers often have only 64 MB of shared memory."""
    return shutil.disk_usage(folder).free


def _candidate() -> Path:
    if chosen := os.environ.get("KITE_RUNTIME_DIR"):
        return Path(chosen)
    if session := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(session) / "kite"
    shared = Path("/dev/shm")  # noqa: S108  the folder below it is 0700 and its owner is checked
    base = shared if shared.is_dir() and os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
    return base / f"kite-{_user()}"


def _user() -> str:
    return str(os.getuid()) if sys.platform != "win32" else os.environ.get("USERNAME", "user")


def _refuse_foreign(folder: Path) -> None:
    if sys.platform == "win32":
        return
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid():
        raise EnvironmentProblem(
            f"The runtime folder {folder} is not yours",
            why="it is a link or belongs to another user, who could read or alter your ticks",
            hint="set KITE_RUNTIME_DIR to a folder of your own",
        )
    if status.st_mode & stat.S_ISVTX:  # closing it would lock everybody else out of it
        raise EnvironmentProblem(
            f"The runtime folder {folder} is everybody's",
            why="it is a shared one, like /tmp",
            hint=f"set KITE_RUNTIME_DIR to a folder of your own in it, such as {folder / 'kite'}",
        )
    if status.st_mode & 0o077:
        folder.chmod(0o700)
