"""Where vaults stand, and what is asked of that place: private folders and files of this user's, and no links.

A draft is written beside the file and renamed over it, so there is always the old vault or the new one. Who holds the
folder's lock may write, and sweeps the drafts of those who died writing.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from kitecli.errors import EnvironmentProblem, NoVault, UsageError, VaultDamaged
from kitecli.files import can_write_in, replacing, sync_folder, unwritable
from kitecli.folders import data_dir
from kitecli.vault.layout import FILE_BYTES_MAX

DEFAULT_PROFILE: Final = "default"
SUFFIX: Final = ".vault"
LOCK_PATIENCE_S: Final = 30.0
"""A key is derived under the lock; ten commands that open the vault at once take their turns."""
LOOK_AGAIN_S: Final = 0.02
# A pipe put in the file's place would keep a blocking open waiting.
_READING: Final = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
_PROFILE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def vault_path(profile: str = DEFAULT_PROFILE) -> Path:
    """The vault of an account. Raises :class:`UsageError` for a name that could lead elsewhere."""
    if not _PROFILE.fullmatch(profile):
        raise UsageError(f"{profile!r} is no name of an account", hint="use small letters, digits and hyphens")
    return Path(data_dir(), "vault", profile + SUFFIX)


def read_private(path: Path, most: int = FILE_BYTES_MAX) -> bytes:
    """A file's content, refused where others could have written or read it.

    Raises :class:`NoVault`, :class:`EnvironmentProblem` where it isn't private, :class:`VaultDamaged` where it has more
    than ``most`` bytes.
    """
    try:
        descriptor = os.open(path, _READING)
    except FileNotFoundError:
        raise no_vault(path) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _refused(path, "it is a link", "move the file itself there") from error
        raise _unreadable(path, error) from error
    try:
        _check_private(path, os.fstat(descriptor))
        _check_folder(path.parent)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(content) > most:
        raise VaultDamaged(f"{path} is no vault", why=f"it has more than {most:,} bytes")
    return content


def stands(path: Path) -> bool:
    """Whether something is there, be it damaged or a link to nowhere.

    Raises :class:`EnvironmentProblem` where nobody can say: what can't be seen isn't absent.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unreadable(path, error) from error
    return True


def replace_private(path: Path, content: bytes) -> None:
    """Write a file, 0600 whatever the umask, in a folder that is 0700. Raises :class:`EnvironmentProblem`."""
    make_private_folder(path.parent)
    with replacing(path) as file:
        if sys.platform != "win32":
            os.fchmod(file.fileno(), 0o600)
        file.write(content)
    sync_folder(path.parent)


def make_private_folder(folder: Path) -> None:
    """Make it, 0700; one that is there must be so. Raises :class:`EnvironmentProblem`."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)  # a umask may have taken from it
    except OSError as error:
        raise unwritable(folder, error) from error
    _check_folder(folder)


def shred(path: Path) -> None:
    """Overwrite a file and remove it; of what is no file, a link say, only the name is removed.

    On SSDs and copying file systems the old blocks may live on. Raises :class:`EnvironmentProblem`.
    """
    try:
        if not can_write_in(path.parent):  # before it is overwritten, and stands there as rubbish
            raise PermissionError(0, "its folder can't be written")
        if path.is_file() and not path.is_symlink():
            with path.open("r+b", buffering=0) as file:
                file.write(os.urandom(path.stat().st_size))
                os.fsync(file.fileno())
        path.unlink(missing_ok=True)
    except OSError as error:
        why = error.strerror or str(error)
        raise EnvironmentProblem(f"{path} can't be removed", why=why, hint="remove it by hand") from error


def drafts_of(path: Path) -> list[Path]:
    """What a writer left that was killed: sealed like the vault itself."""
    return list(path.parent.glob(f".{path.stem}.*.????????"))


@contextmanager
def locked(path: Path, patience_s: float = LOCK_PATIENCE_S) -> Iterator[None]:
    """Be the one who writes there, and sweep what the dead left. Raises :class:`EnvironmentProblem`."""
    make_private_folder(path.parent)
    try:
        descriptor = _open_lock(path.parent)
    except OSError as error:
        raise _unreadable(path.parent, error) from error
    try:
        for _ in range(round(patience_s / LOOK_AGAIN_S)):
            if _take(descriptor):
                break
            time.sleep(LOOK_AGAIN_S)
        else:
            raise EnvironmentProblem(f"{path} is in use by another process", hint="try again in a moment")
        with suppress(OSError):  # where they can't be removed, nothing can be written, and who writes is told so
            for draft in drafts_of(path):
                draft.unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)  # gives the lock back


def no_vault(path: Path) -> NoVault:
    """The error for a vault that isn't there."""
    return NoVault(
        f"There is no vault at {path}", why="no credentials were put there", hint="make one: kite creds setup"
    )


def _check_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return  # a user's folders are his own there by inheritance
    status = folder.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise _refused(folder, "it is a link", "put a folder there, or set KITE_DATA_DIR")
    _check_owner(folder, status)
    if status.st_mode & 0o077:
        raise _refused(folder, "others may look into it", f"chmod 700 {folder}")


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refused(path, "it is no file", "move it away")
    if sys.platform == "win32":
        return
    _check_owner(path, status)
    if status.st_mode & 0o077:
        raise _refused(path, "others may read or write it", f"chmod 600 {path}; change the secrets if others saw it")


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise _refused(path, "it belongs to another user, who could have written it", "run kite as its owner")


def _unreadable(path: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{path} can't be read",
        why=error.strerror or str(error),
        hint="give yourself the rights: chmod u+rw for the file, chmod u+rwx for the folders above it",
    )


def _refused(path: Path, why: str, hint: str) -> EnvironmentProblem:
    return EnvironmentProblem(f"{path} is refused", why=why, hint=hint)


if sys.platform == "win32":
    import msvcrt

    def _open_lock(folder: Path) -> int:
        return os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)

    def _take(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _open_lock(folder: Path) -> int:
        return os.open(folder, os.O_RDONLY)  # the folder itself: a lock needs no file that would be left there

    def _take(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
