"""Feeds that stand still, to be looked at."""

import pytest

from tests.stats.standing import StandingFeed


@pytest.fixture
def standing(tmp_path, monkeypatch):
    """A feed in a runtime folder of the test's own."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(folder))
    feed = StandingFeed(folder)
    yield feed
    feed.end()
