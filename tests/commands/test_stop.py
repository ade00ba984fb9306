"""``kite stop`` where it has to choose; the rest is in test_status.py, with the feeds it ends."""

from __future__ import annotations

from typer.testing import CliRunner

from kitecli.cli import app
from kitecli.gateway import running
from kitecli.gateway.lock import FeedCard


def test_of_several_feeds_none_is_ended_by_chance(monkeypatch):
    cards = [FeedCard(1, name, 1, "", 0, label) for name, label in (("aaaa1111", "live"), ("bbbb2222", "simulated"))]
    ended = []
    monkeypatch.setattr(running, "running", lambda _: cards)
    monkeypatch.setattr(running, "stop", lambda card: ended.append(card.name))
    doubtful = CliRunner().invoke(app, ["stop"])
    assert (doubtful.exit_code, ended) == (2, [])
    assert "aaaa1111 (live), bbbb2222 (simulated)" in doubtful.stderr
    assert CliRunner().invoke(app, ["stop", "simulated"]).exit_code == 0
    assert ended == ["bbbb2222"]
    assert CliRunner().invoke(app, ["stop", "--all"]).exit_code == 0
    assert ended == ["bbbb2222", "aaaa1111", "bbbb2222"]
