"""This process's log: from a logger to the file, whatever the disk does."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kitecli.errors import EnvironmentProblem, KiteError
from kitecli.logs import about, logger
from kitecli.logs.plan import LogPlan
from kitecli.logs.running import begin, current
from kitecli.secret import MASK, Secret

FEED, SIM = logger("kitecli.feed"), logger("kitecli.sim")


@pytest.fixture
def troubles() -> Iterator[list[KiteError]]:
    yield []
    assert current() is None, "each test ends what it has begun"


def written(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "kite.log").read_text().splitlines()]


def test_what_is_logged_stands_in_the_file_by_level_and_component(tmp_path: Path, troubles: list[KiteError]):
    running = begin(LogPlan(str(tmp_path), "info", {"feed": "debug", "sim": "error"}), troubles.append)
    FEED.debug("fine detail")
    FEED.info("connection %d is live", 1, extra=about(connection=1, feed="3461f530"))
    SIM.warning("not of interest")
    running.leave(troubles.append)
    FEED.warning("after its end")
    lines = written(tmp_path)
    assert [line["what"] for line in lines] == ["fine detail", "connection 1 is live"]
    assert (lines[1]["connection"], lines[1]["feed"]) == (1, "3461f530")
    assert {line["run"] for line in lines} == {running.run}
    assert troubles == []


def test_no_secret_of_this_process_is_written_wherever_it_stands(tmp_path: Path, troubles: list[KiteError]):
    held = Secret("canary-0a7b1c")
    running = begin(LogPlan(str(tmp_path)), troubles.append)
    nested = {"url": f"wss://x?access_token={held.reveal()}", "list": [held.reveal(), 7, None]}
    FEED.info("with %s", held.reveal(), extra=about(**nested))
    try:
        raise ValueError(held.reveal())
    except ValueError:
        FEED.exception("it failed")
    running.leave(troubles.append)
    text = (tmp_path / "kite.log").read_text()
    assert "canary" not in text
    assert written(tmp_path)[0]["list"] == [MASK, 7, None]
    assert "ValueError" in str(written(tmp_path)[1]["traceback"])


def test_a_field_that_changes_after_the_call_is_written_as_it_was(tmp_path: Path, troubles: list[KiteError]):
    running = begin(LogPlan(str(tmp_path)), troubles.append)
    tokens = [1, 2]
    FEED.info("two", extra=about(tokens=tokens))
    tokens.clear()
    running.leave(troubles.append)
    assert written(tmp_path)[0]["tokens"] == [1, 2]


def test_a_process_has_one_log_until_the_last_who_began_it_has_left(tmp_path: Path, troubles: list[KiteError]):
    other: list[KiteError] = []
    first = begin(LogPlan(str(tmp_path)), troubles.append)
    second = begin(LogPlan(str(tmp_path / "elsewhere")), other.append)
    assert second is first is current()
    second.leave(other.append)
    FEED.info("still here")
    first.leave(troubles.append)
    assert len(written(tmp_path)) == 1
    assert not (tmp_path / "elsewhere").exists()


def test_a_disk_that_takes_nothing_is_told_once_and_what_lacks_is_counted(tmp_path: Path, troubles: list[KiteError]):
    (tmp_path / "logs").write_text("a file is where the folder should be")
    running = begin(LogPlan(str(tmp_path / "logs")), troubles.append)
    for number in range(5):
        FEED.info("lost %d", number)
    while running._unwritten < 5:
        pass
    (tmp_path / "logs").unlink()
    FEED.info("kept")
    running.leave(troubles.append)
    [problem] = troubles
    assert isinstance(problem, EnvironmentProblem)
    assert "can't be written" in problem.what
    assert [line["what"] for line in written(tmp_path / "logs")] == [
        "5 lines before this one could not be written",
        "kept",
    ]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_console_gets_the_same_lines(
    tmp_path: Path, troubles: list[KiteError], form: str, monkeypatch: pytest.MonkeyPatch
):
    console = io.StringIO()
    monkeypatch.setattr(sys, "stderr", console)
    running = begin(LogPlan(str(tmp_path), console=form), troubles.append)
    FEED.info("connection 1 is live")
    running.leave(troubles.append)
    if form == "json":
        assert console.getvalue() == (tmp_path / "kite.log").read_text()
    else:
        assert console.getvalue().endswith(" IST info    feed        connection 1 is live\n")


def test_loggers_are_afterwards_as_they_were(tmp_path: Path, troubles: list[KiteError]):
    before = (logging.getLogger("kitecli").handlers.copy(), FEED.level)
    begin(LogPlan(str(tmp_path)), troubles.append).leave(troubles.append)
    assert (logging.getLogger("kitecli").handlers, FEED.level) == before
