"""The day's session: its file, its end, and why it isn't accepted any more."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

import pytest

from kitecli.clock import IST
from kitecli.errors import AuthError
from kitecli.secret import Secret
from kitecli.session import (
    DaySession,
    drop_ended,
    newest_session,
    read_session,
    read_token,
    session_end_s,
    session_path,
    why_refused,
    write_session,
)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=IST).timestamp()


NOW_S = at("2026-11-23 09:00")
SESSION = DaySession("key", "AB1234", Secret("t0ken"), int(NOW_S), session_end_s(NOW_S))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return session_path(tmp_path, "default", "https://api", "key")


@pytest.mark.parametrize(
    ("since", "end"),
    [
        ("2026-11-23 09:00", "2026-11-24 06:00"),
        ("2026-11-23 05:59:59", "2026-11-23 06:00"),
        ("2026-11-23 06:00", "2026-11-24 06:00"),
        ("2026-12-31 23:00", "2027-01-01 06:00"),
    ],
)
def test_sessions_end_at_six(since: str, end: str):
    assert session_end_s(at(since)) == at(end)


def test_what_was_written_is_read_until_its_end_and_then_gone(path: Path):
    write_session(path, SESSION)
    assert path.stat().st_mode & 0o077 == 0
    assert read_session(path, SESSION.until_s - 1) == SESSION
    assert read_token(path, NOW_S) == Secret("t0ken")
    with pytest.raises(AuthError, match=r"ended at 06:00 IST on 24 November"):
        read_session(path, SESSION.until_s)
    assert not path.exists()
    assert list(path.parent.iterdir()) == []
    with pytest.raises(AuthError, match="No such file"):
        read_token(path, NOW_S)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "{}",
        "[]",
        '{"access_token": "t", "colour": 1}',
        '{"access_token": "t", "api_key": "k", "user_id": "u", "since_s": null, "until_s": null}',
        '{"access_token": "t", "api_key": "k", "user_id": "u", "since_s": 0, "until_s": "soon"}',
        '{"access_token": "t\\nx", "api_key": "k", "user_id": "u", "since_s": 0, "until_s": 9e9}',
        '{"access_token": "t\\udcff", "api_key": "k", "user_id": "u", "since_s": 0, "until_s": 9e9}',
    ],
)
def test_what_is_no_session_is_refused_without_showing_it(path: Path, content: str):
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(AuthError, match="no session"):
        read_session(path, NOW_S)


def test_a_file_of_the_users_own_holds_a_token_alone(tmp_path: Path):
    mine = tmp_path / "mine"
    mine.touch(0o600)
    mine.write_text("t0ken\n")
    assert read_token(mine, NOW_S) == Secret("t0ken")
    for content in ("t0k\x1ben", "t0k\nen", ""):
        mine.write_text(content)
        with pytest.raises(AuthError, match="holds no access token"):
            read_token(mine, NOW_S)
    mine.chmod(0o644)
    with pytest.raises(AuthError, match="0644"):
        read_token(mine, NOW_S)


def test_the_latest_login_counts_where_no_app_is_named(tmp_path: Path):
    def put(account: str, root: str, key: str, since_s: float) -> None:
        session = DaySession(key, "AB1234", Secret(key), int(since_s), session_end_s(since_s))
        write_session(session_path(tmp_path, account, root, key), session)

    assert newest_session(tmp_path, "default", "https://api", NOW_S) is None
    put("default", "https://api", "first", NOW_S)
    put("default", "https://api", "second", NOW_S + 60)
    put("default", "https://other", "third", NOW_S + 120)
    put("second", "https://api", "fourth", NOW_S + 180)
    put("default", "https://api", "ended", NOW_S - 86_400)
    found = newest_session(tmp_path, "default", "https://api", NOW_S + 240)
    assert found is not None
    assert found.api_key == "second"


def test_a_login_is_never_removed_by_who_finds_the_one_before_ended(path: Path):
    """Looked at again and again while others write: the new session is there in the end."""
    old = DaySession("key", "AB1234", Secret("old"), 0, 1)
    done = threading.Event()

    def sweep() -> None:
        while not done.is_set():
            drop_ended(path, NOW_S)

    sweepers = [threading.Thread(target=sweep) for _ in range(2)]
    for one in sweepers:
        one.start()
    try:
        for _ in range(20):
            write_session(path, old)
            write_session(path, SESSION)
    finally:
        done.set()
        for one in sweepers:
            one.join()
    assert read_session(path, NOW_S) == SESSION
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("now", "until", "said"),
    [
        ("2026-11-24 09:00", "2026-11-24 06:00", "ended at 06:00"),
        ("2026-11-24 05:20", "2026-11-24 06:00", "in the morning"),
        ("2026-11-24 07:49", "2026-11-25 06:00", "log in after 08:00"),
        ("2026-11-24 08:00", "2026-11-25 06:00", "another login"),
        ("2026-11-24 11:00", None, "another login"),
    ],
)
def test_the_hour_tells_why_it_is_refused(now: str, until: str | None, said: str):
    assert said in why_refused(at(now), at(until) if until else None)
