"""The day's session at the broker, in the one file in which every part of kite looks for it.

``kite auth login`` writes it into the runtime folder, 0600; whoever connects reads it, so that a new login reaches all
of them. Whoever finds it ended removes it. A file of the user's own may hold nothing but a token instead.

The file: one line of JSON with the fields of :class:`DaySession`.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Final

from kitecli.clock import ist
from kitecli.errors import AuthError
from kitecli.files import write_whole
from kitecli.secret import Secret, cleaned

ENDS_HOUR: Final = 6
UNSTEADY_HOURS: Final = (5, 8)
"""Sessions end at 06:00 IST by regulation. The broker's flush is spread: refusals were seen from 05:20 to 07:49, also
of tokens that were minutes old (users' reports of 2026; kite-connect fact sheet, token lifetime)."""
LOG_IN: Final = "log in: kite auth login"
_DIGITS: Final = 8
_FOREIGN: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class DaySession:
    """Whose session, of which app, from when and until when, in epoch seconds."""

    api_key: str
    user_id: str
    access_token: Secret
    since_s: int
    until_s: int


def session_end_s(since_s: float) -> int:
    """When a session that began then ends: the next 06:00 in India."""
    since = ist(since_s)
    end = since.replace(hour=ENDS_HOUR, minute=0, second=0, microsecond=0)
    return int((end if since < end else end + timedelta(days=1)).timestamp())


def why_refused(now_s: float, until_s: float | None = None) -> str:
    """Why a session isn't accepted any more, as far as the hour tells. ``until_s``: when it was to end."""
    if until_s is not None and now_s >= until_s:
        return f"it ended at {ist(until_s):%H:%M} IST on {ist(until_s):%d %B}, as all sessions do every morning"
    first, last = UNSTEADY_HOURS
    if first <= ist(now_s).hour < last:
        return (
            f"the broker ends all sessions in the morning, between {first:02}:00 and {last:02}:00 IST and also new "
            f"ones: log in after {last:02}:00"
        )
    return "another login of the same app, or a logout in Kite, has ended it"


def session_path(folder: Path, account: str, api_root: str, api_key: str) -> Path:
    """The file of an account's session for one app at one server; nobody learns the key from its name."""
    return folder / f"session-{account}-{_digest(api_root)}-{_digest(api_key)}.json"


def newest_session(folder: Path, account: str, api_root: str, now_s: float) -> DaySession | None:
    """The session of the account's latest login at that server, whichever app it was of."""
    found = (_lasting(path, now_s) for path in folder.glob(f"session-{account}-{_digest(api_root)}-*.json"))
    return max((one for one in found if one is not None), key=lambda one: one.since_s, default=None)


def read_session(path: Path, now_s: float) -> DaySession:
    """The session that lasts. Raises :class:`AuthError` where there is none (any more)."""
    session = _session_of(_private_text(path))
    if session is None:
        raise _unusable(path, "holds no session", "a login writes another form", LOG_IN)
    if now_s >= session.until_s:
        drop_ended(path, now_s)
        raise AuthError("The session has ended", why=why_refused(now_s, session.until_s), hint=LOG_IN)
    return session


def read_token(path: Path, now_s: float) -> Secret:
    """The access token of a session's file, or of one that holds nothing else. Raises :class:`AuthError`."""
    text = _private_text(path)
    if text.startswith("{"):
        return read_session(path, now_s).access_token
    if not text.isprintable() or len(text.split()) != 1:
        raise _unusable(path, "holds no access token", "one line with nothing but the token belongs there", LOG_IN)
    return Secret(text)


def write_session(path: Path, session: DaySession) -> None:
    """Put a session in the place of the one before. Raises :class:`EnvironmentProblem`."""
    plain = {field.name: getattr(session, field.name) for field in fields(session)}
    plain["access_token"] = session.access_token.reveal()
    write_whole(path, json.dumps(plain).encode())


def drop_ended(path: Path, now_s: float) -> None:
    """Remove a session's file if it has ended. Taken aside before it is looked at: a login may be replacing it."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    try:
        session = _session_of(_private_text(aside))
        if session is not None and now_s < session.until_s:
            with suppress(FileExistsError):  # a link never takes the place of a newer one
                path.hardlink_to(aside)
    finally:
        aside.unlink(missing_ok=True)


def _lasting(path: Path, now_s: float) -> DaySession | None:
    try:
        return read_session(path, now_s)
    except AuthError:
        return None


def _session_of(text: str) -> DaySession | None:
    try:
        plain = json.loads(text)
        token = cleaned(Secret(str(plain.pop("access_token"))))
        since_s, until_s = int(plain.pop("since_s")), int(plain.pop("until_s"))
        return DaySession(access_token=token, since_s=since_s, until_s=until_s, **plain)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _private_text(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            _refuse_public(path, os.fstat(file.fileno()))
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else "it is no text"
        raise _unusable(path, "can't be read", str(reason), f"{LOG_IN}; or name the right file") from None


def _refuse_public(path: Path, status: os.stat_result) -> None:
    if sys.platform != "win32" and status.st_mode & _FOREIGN:  # Windows keeps these bits elsewhere
        raise _unusable(path, "can be read by others", f"its mode is {status.st_mode & 0o777:04o}", "chmod 600 it")


def _unusable(path: Path, what: str, why: str, hint: str) -> AuthError:
    return AuthError(f"The token file {path} {what}", why=why, hint=hint)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
