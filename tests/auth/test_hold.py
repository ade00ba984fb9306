"""No second try on a wrong password, also after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitecli.auth.hold import Hold
from kitecli.errors import EnvironmentProblem, LoginHeldBack
from kitecli.secret import Secret

AT_S = 1_795_322_700.0


def hold(folder: Path, user: str = "AB1234") -> Hold:
    return Hold(folder / "auth", Secret(user))


def test_a_refused_try_holds_the_next_one_back(tmp_path: Path):
    hold(tmp_path).check()
    hold(tmp_path).trying(AT_S)
    hold(tmp_path).refused(AT_S, "the broker refused it")
    with pytest.raises(LoginHeldBack, match=r"10:15 IST on 22 November.*the broker refused it") as held:
        hold(tmp_path).check()
    assert "--retry" in held.value.hint
    hold(tmp_path, "CD5678").check()
    hold(tmp_path).lift()
    hold(tmp_path).check()


def test_a_try_that_was_killed_counts(tmp_path: Path):
    hold(tmp_path).trying(AT_S)
    with pytest.raises(LoginHeldBack, match="broken off"):
        hold(tmp_path).check()


def test_one_login_at_a_time_by_password_and_no_retry_goes_beside_it(tmp_path: Path):
    with hold(tmp_path).alone():
        with pytest.raises(LoginHeldBack, match="under way"), hold(tmp_path).alone():
            pass
        with hold(tmp_path, "CD5678").alone():
            pass
    with hold(tmp_path).alone():
        pass
    assert list((tmp_path / "auth").iterdir()) == []


def test_a_note_that_can_t_be_read_or_made_says_so_and_blames_no_password(tmp_path: Path):
    (tmp_path / "auth").write_text("a file in the folder's place")
    for attempt in (hold(tmp_path).check, hold(tmp_path).alone().__enter__):
        with pytest.raises(EnvironmentProblem, match="auth"):
            attempt()


def test_a_user_of_odd_bytes_has_a_note_too(tmp_path: Path):
    hold(tmp_path, "AB\udcff12").trying(AT_S)
    with pytest.raises(LoginHeldBack):
        hold(tmp_path, "AB\udcff12").check()


def test_a_damaged_note_counts(tmp_path: Path):
    hold(tmp_path).trying(AT_S)
    [note] = (tmp_path / "auth").iterdir()
    note.write_text("{")
    with pytest.raises(LoginHeldBack):
        hold(tmp_path).check()


def test_notes_tell_no_user_and_are_private(tmp_path: Path):
    hold(tmp_path).trying(AT_S)
    [note] = (tmp_path / "auth").iterdir()
    assert "AB1234" not in note.read_text() + note.name
    assert note.stat().st_mode & 0o077 == 0


def test_what_is_said_once_is_said_once(tmp_path: Path):
    assert [hold(tmp_path).first_time() for _ in range(3)] == [True, False, False]
