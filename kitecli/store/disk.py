"""Every file operation of a recording's writer, so that tests can put a disk in its place that fails."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from kitecli.files import sync_folder

if sys.platform == "darwin":
    import fcntl

    def _sync(descriptor: int) -> None:
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync there leaves data in the drive's own memory

else:
    _sync = getattr(os, "fdatasync", os.fsync)


class Disk:
    """The real one."""

    def create(self, path: Path) -> int:
        """A new file to append to. What a recording holds is the market's, and no secret: the umask decides."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)

    def reopen(self, path: Path, size: int) -> int:
        """A file to append to at ``size``; what stood behind that is gone."""
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        os.ftruncate(descriptor, size)
        os.lseek(descriptor, size, os.SEEK_SET)
        return descriptor

    def write(self, descriptor: int, data: memoryview | bytes) -> int:
        """Write some of it; returns how much. It is in the kernel then, and survives this process."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Return when what was written is on disk, as far as the disk tells."""
        _sync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """Have the folder's names on disk too; without that a file may be there and not be found."""
        sync_folder(folder)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def rename(self, path: Path, target: Path) -> None:
        """Put a file in another's place, at once."""
        path.replace(target)

    def free_bytes(self, folder: Path) -> int:
        return shutil.disk_usage(folder).free
