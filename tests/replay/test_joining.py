"""How readers find the replay that runs."""

from __future__ import annotations

from datetime import date

import pytest

from kitecli.errors import GatewayGone, NoFeed
from kitecli.replay import joining
from kitecli.replay.gateway import REPLAY_NAME
from kitecli.replay.joining import RunningReplay
from tests.replay.made import TOKENS, made_day


@pytest.fixture
def status(tmp_path, monkeypatch):
    """What the one running feed says of itself."""
    said = {"day": "2026-11-20", "folder": str(tmp_path), "past_damage": False, "state": "playing"}
    made_day(tmp_path, 2).end().close()
    monkeypatch.setattr(joining, "feeds", lambda name: [name] if name == REPLAY_NAME else [])
    monkeypatch.setattr(joining, "ask_status", lambda _: {"replay": said})
    return said


def test_its_day_instruments_and_end_are_known(status):
    running = RunningReplay.find()
    assert running.day == date(2026, 11, 20)
    assert running.tokens() == sorted(TOKENS.values())
    assert running.book().resolve("INFY").instrument_token == TOKENS["INFY"]
    assert not running.ended()
    status["state"] = "ended"
    assert running.ended()


def test_one_that_doesnt_answer_hasnt_ended(status, monkeypatch):
    running = RunningReplay.find()

    def gone(_):
        raise GatewayGone("gone")

    monkeypatch.setattr(joining, "ask_status", gone)
    assert not running.ended()


def test_without_a_master_instruments_are_those_recorded(status, tmp_path):
    for path in tmp_path.iterdir():
        path.unlink()
    made_day(tmp_path, 2, master=False).end().close()
    assert {row.instrument_token for row in RunningReplay.find().book()} == set(TOKENS.values())


def test_where_none_runs_it_is_said_how_to_start_one(tmp_path, monkeypatch):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(NoFeed, match="No replay is running"):
        RunningReplay.find()
