"""Holds back a login that the broker refused: it blocks accounts after a few wrong passwords.

A note is written before a password is sent and removed when it was right, so that a try counts also where kite was
killed in the middle. It survives restarts of the machine, and holds neither password nor user. Between looking for the
note and writing it another login could look, too: a lock lets one go at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kitecli.clock import ist
from kitecli.errors import EnvironmentProblem, LoginHeldBack
from kitecli.files import unwritable, write_whole
from kitecli.ring.locks import LockFile
from kitecli.secret import Secret


class Hold:
    """The note of one user, in ``folder``."""

    def __init__(self, folder: Path, user_id: Secret) -> None:
        digest = hashlib.sha256(user_id.view()).hexdigest()[:8]
        self._path = folder / f"tried-{digest}.json"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be this user's only login by password, from before :meth:`check` until it has ended.

        Raises :class:`LoginHeldBack` while another is under way, :class:`EnvironmentProblem` where no note can be made.
        """
        lock = self._lock()
        if lock is None:
            raise LoginHeldBack(
                "Another login by password is under way",
                why="two at once could send a wrong one twice, and the broker blocks an account after a few",
                hint="let it end, then see: kite auth status",
            )
        try:
            yield
        finally:
            lock.release()

    def check(self) -> None:
        """Raises :class:`LoginHeldBack` after a try that didn't succeed."""
        try:
            note = json.loads(self._path.read_bytes())
            when, why = f"{ist(float(note['at_s'])):%H:%M IST on %d %B}", str(note["why"])
        except FileNotFoundError:
            return
        except OSError as error:
            why = error.strerror or str(error)
            raise EnvironmentProblem(f"{self._path} can't be read", why=why, hint="give yourself the right") from error
        except (ValueError, KeyError, TypeError):
            when, why = "an earlier time", "the note of it is damaged"
        raise LoginHeldBack(
            "kite doesn't log in by password now",
            why=f"at {when} it didn't succeed ({why}), and the broker blocks an account after a few wrong ones",
            hint="correct what was wrong, then kite auth login --totp --retry; or log in by hand: kite auth login",
        )

    def first_time(self) -> bool:
        """Whether this is asked for the first time, here and of this user."""
        note = self._path.with_suffix(".told")
        told = note.exists()
        write_whole(note, b"")
        return not told

    def trying(self, now_s: float) -> None:
        """Before the password is sent."""
        self._write(now_s, "it was broken off")

    def refused(self, now_s: float, why: str) -> None:
        self._write(now_s, why)

    def lift(self) -> None:
        """The login succeeded, the password was never seen, or a user says that it is corrected."""
        self._path.unlink(missing_ok=True)

    def _lock(self) -> LockFile | None:
        path = self._path.with_suffix(".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return LockFile.take(path)
        except OSError as error:
            raise unwritable(path, error) from error

    def _write(self, now_s: float, why: str) -> None:
        write_whole(self._path, json.dumps({"at_s": now_s, "why": why}).encode())
