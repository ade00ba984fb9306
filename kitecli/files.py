"""Files that are there whole or not at all, whenever somebody looks and however their writer ended."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from kitecli.errors import EnvironmentProblem

_KEPT: Final = "Free space there, or set KITE_DATA_DIR to another folder"
_GIVEN: Final = "Free space there, or name another folder"


@contextmanager
def replacing(path: Path, *, given: bool = False) -> Iterator[IO[bytes]]:
    """A file to write to that takes ``path``'s place when the block ends well; its folder is made where need be.

    ``given``: a user named it, and it gets the rights of any file of his; of a symbolic link it is the target that is
    replaced, and what is no file, a device or a pipe, is written to, a piece at a time. What kite keeps for itself is
    0600. Raises :class:`EnvironmentProblem` where it can't be written.
    """
    try:
        if given and _is_no_file(path):
            with os.fdopen(os.open(path, os.O_WRONLY), "wb") as file:
                yield file
            return
        target = path.resolve() if given else path
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        target.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            with os.fdopen(os.open(draft, flags, 0o666 if given else 0o600), "wb") as file:
                if not given and sys.platform != "win32":
                    os.fchmod(file.fileno(), 0o600)  # a umask may have taken from it
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error, given=given) from error


def _is_no_file(path: Path) -> bool:
    """Whether something else is there, by one look: who asks twice may be told of two things."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that there is always the old one or the new one. Raises :class:`EnvironmentProblem`."""
    with replacing(path) as file:
        file.write(content)


def can_write_in(folder: Path) -> bool:
    """Whether names can be made and removed there, by the rights that this process works with."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def unwritable(path: Path, error: OSError, *, given: bool = False) -> EnvironmentProblem:
    """The error for data that can't be kept."""
    return EnvironmentProblem(
        f"{path} can't be written", why=error.strerror or str(error), hint=_GIVEN if given else _KEPT
    )


def sync_folder(folder: Path) -> None:
    """Have the folder's names on disk: a rename is lasting only then."""
    if sys.platform == "win32":
        return  # folders can't be opened there, and NTFS journals names
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
