"""Reserving and mapping memory that one process writes: a file others can map, or private pages. And a ring's own."""

from __future__ import annotations

import errno
import mmap
import os
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.errors import DataError, EnvironmentProblem
from kitecli.ring.layout import HEADER_BYTES, HEADER_DTYPE, MAGIC, MIN_CAPACITY, VERSION, RingLayout
from kitecli.ring.location import free_bytes


class MappedMemory:
    """Mapped bytes. ``buffer`` is what writers and views work on; ``path`` is None for private memory."""

    def __init__(self, buffer: mmap.mmap, path: Path | None) -> None:
        self.buffer = buffer
        self.path = path

    def close(self) -> None:
        """Let go of the mapping; the file goes with its writer's :meth:`remove`."""
        try:
            self.buffer.close()
        except BufferError:
            # Somebody still holds an array over it; the pages go with the last of them.
            return

    def remove(self) -> None:
        """Delete the file. Readers that have it mapped keep their pages."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class RingMemory(MappedMemory):
    """One ring's mapped bytes."""

    def __init__(self, buffer: mmap.mmap, layout: RingLayout, path: Path | None) -> None:
        super().__init__(buffer, path)
        self.layout = layout

    @classmethod
    def private(cls, layout: RingLayout) -> RingMemory:
        """Anonymous memory: nobody else can read it, and it costs nothing until it is touched."""
        try:
            buffer = mmap.mmap(-1, layout.total_bytes)
        except OSError as cause:
            raise EnvironmentProblem(
                f"No room for a ring of {layout.total_bytes / 1e6:,.0f} MB in memory",
                why=str(cause.strerror),
                hint=f"{_SMALLER} (--profile memory-efficiency)",
            ) from cause
        _write_header(buffer, layout)
        return cls(buffer, layout, None)

    @classmethod
    def create(cls, path: Path, layout: RingLayout) -> RingMemory:
        """A new file, 0600, its space reserved before it is mapped.

        A sparse file on a full disk would kill the process with SIGBUS at the first write, so an
        :class:`EnvironmentProblem` is raised here instead, while it can still be said.
        """
        try:
            buffer = map_new_file(path, layout.total_bytes)
        except OSError as cause:
            raise _refusal(path, layout, cause) from cause
        _write_header(buffer, layout)
        return cls(buffer, layout, path)

    @classmethod
    def attach(cls, path: Path) -> RingMemory:
        """Map another process's ring, for reading only. Raises :class:`DataError` where it is none of this version."""
        try:
            with path.open("rb") as file:
                buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as cause:
            raise DataError(f"No ring at {path}", why=str(cause), hint="start a feed first: kite feed --sim") from cause
        return cls(buffer, _read_header(buffer, path), path)

    def header(self) -> NDArray[np.void]:
        return np.frombuffer(self.buffer, HEADER_DTYPE, 1)


def map_new_file(path: Path, size: int) -> mmap.mmap:
    """A new file of zeros, 0600, all of its space reserved; raises OSError and leaves none where there is no room.

    Whoever has a former file of this name mapped keeps it.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        _reserve(descriptor, size, path.parent)
        return mmap.mmap(descriptor, size)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _reserve(descriptor: int, size: int, folder: Path) -> None:
    if sys.platform == "linux":
        os.posix_fallocate(descriptor, 0, size)
    elif free_bytes(folder) < size:  # what is reserved here is only as good as a look
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    else:
        os.ftruncate(descriptor, size)


def write_header(buffer: mmap.mmap, header: NDArray[np.void]) -> None:
    """Write it, with who made it and when; its magic last, so that nobody attaches to half a header."""
    header["created_ns"], header["writer_pid"] = time.time_ns(), os.getpid()
    buffer[_MAGIC_BYTES : header.nbytes] = header.tobytes()[_MAGIC_BYTES:]
    buffer[:_MAGIC_BYTES] = header.tobytes()[:_MAGIC_BYTES]


def read_header(buffer: mmap.mmap, path: Path, expected: NDArray[np.void], what: str) -> np.void:
    """The header at ``path``; raises :class:`DataError` where magic or version aren't the ``expected`` ones."""
    wanted = expected[0]
    if len(buffer) < wanted["header_bytes"] or buffer[:_MAGIC_BYTES] != wanted["magic"]:
        raise DataError(
            f"{path} is no {what}",
            why="it doesn't start as one",
            hint="if a feed is just starting, try again; else remove the file",
        )
    header: np.void = np.frombuffer(buffer[: expected.nbytes], expected.dtype)[0]
    if header["version"] != wanted["version"]:
        raise DataError(
            f"The {what} at {path} was made by another version of kite",
            why=f"layout version {header['version']}, this kite reads {wanted['version']}",
            hint="run the feed and its readers from the same installation",
        )
    return header


def damaged(buffer: mmap.mmap, path: Path, what: str) -> DataError:
    """What to tell somebody whose file is shorter, or laid out otherwise, than its header says."""
    return DataError(
        f"The {what} at {path} is damaged",
        why=f"its header doesn't fit the {len(buffer):,} bytes it has",
        hint="remove the file and start the feed again",
    )


_MAGIC_BYTES: Final = len(MAGIC)


def _refusal(path: Path, layout: RingLayout, cause: OSError) -> EnvironmentProblem:
    if cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_room(layout, path.parent, free_bytes(path.parent))
    return EnvironmentProblem(
        f"No ring can be made at {path}", why=str(cause.strerror), hint="set KITE_RUNTIME_DIR to a folder of your own"
    )


def no_room(layout: RingLayout, folder: Path, free: int) -> EnvironmentProblem:
    """What to tell somebody whose ring doesn't fit into the ``free`` bytes of ``folder``."""
    in_memory = folder.is_relative_to("/dev/shm")  # noqa: S108  only for the words
    smaller = layout.capacity
    while smaller > MIN_CAPACITY and RingLayout.of(smaller, layout.board_capacity).total_bytes > free:
        smaller //= 2
    fits = f"{smaller:,} ticks fit" if smaller > MIN_CAPACITY else "--profile memory-efficiency"
    return EnvironmentProblem(
        f"No room for a ring of {layout.total_bytes / 1e6:,.0f} MB in {folder}",
        why=f"{free / 1e6:,.1f} MB are free there"
        + ("; a container has about 64 MB unless given more" if in_memory else ""),
        hint=f"set KITE_RUNTIME_DIR to a roomier folder, {_SMALLER} ({fits})"
        + (", or run the container with --shm-size=256m" if in_memory else ""),
    )


_SMALLER: Final = "make performance.ring_buffer_size smaller"


_LAYOUT_FIELDS = tuple(
    name for name in (HEADER_DTYPE.names or ()) if name.endswith(("capacity", "offset", "total_bytes"))
)
_WHAT: Final = "tick ring"


def _blank() -> NDArray[np.void]:
    header = np.zeros(1, HEADER_DTYPE)
    header["magic"], header["version"], header["header_bytes"] = MAGIC, VERSION, HEADER_BYTES
    return header


def _write_header(buffer: mmap.mmap, layout: RingLayout) -> None:
    header = _blank()
    for name in _LAYOUT_FIELDS:
        header[name] = getattr(layout, name)
    write_header(buffer, header)


def _read_header(buffer: mmap.mmap, path: Path) -> RingLayout:
    header = read_header(buffer, path, _blank(), _WHAT)
    layout = RingLayout(*(int(header[name]) for name in ("capacity", "depth_capacity", "board_capacity")))
    if len(buffer) < layout.total_bytes or any(header[name] != getattr(layout, name) for name in _LAYOUT_FIELDS):
        raise damaged(buffer, path, _WHAT)
    return layout
