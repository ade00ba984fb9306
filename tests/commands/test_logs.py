"""``kite logs``, and that commands write what it shows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kitecli.cli import app
from kitecli.commands import _log
from kitecli.logs.files import LogFiles
from kitecli.logs.running import current


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    return tmp_path / "logs"


def line(what: str, level: str = "info", component: str = "feed", minute: int = 15) -> str:
    head = {"at": f"2026-02-20T09:{minute}:00+05:30", "level": level, "component": component}
    return json.dumps({**head, "run": "r", "pid": 1, "what": what})


def kite(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_lines_are_shown_as_text_or_as_they_are_kept_by_component_level_and_time(folder: Path):
    files = LogFiles(folder, 10_000, 1)
    kept = [line("one"), line("two", "error"), line("three", "warning", "recording", 20)]
    for text in kept:
        files.append(text)
    assert kite("logs").splitlines() == [
        "2026-02-20 09:15:00.000 IST info    feed        one",
        "2026-02-20 09:15:00.000 IST error   feed        two",
        "2026-02-20 09:20:00.000 IST warning recording   three",
    ]
    assert kite("logs", "--json").splitlines() == kept
    assert kite("logs", "--level", "warning", "--json").splitlines() == kept[1:]
    assert kite("logs", "--component", "recording", "--component", "sim", "--json").splitlines() == kept[2:]
    assert kite("logs", "--since", "2026-02-20T09:16", "--json").splitlines() == kept[2:]


def test_no_log_is_nothing_and_a_word_that_isn_t_known_is_a_usage_error(folder: Path):
    assert kite("logs") == ""
    assert not folder.exists()
    wrong = CliRunner().invoke(app, ["logs", "--component", "fed"])
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "recording" in wrong.stderr


def test_what_a_command_failed_by_is_written_down(folder: Path):
    failed = CliRunner().invoke(app, ["--set", "alerts.channels=webhook", "alerts", "test"])
    assert failed.exit_code == 3
    [written] = [json.loads(text) for text in kite("logs", "--json").splitlines()]
    assert (written["component"], written["level"], written["verb"]) == ("cli", "error", "alerts test")
    assert written["error"]["exit_code"] == 3
    assert current() is None


def test_lasting_commands_are_written_down_by_verb_and_others_not(folder: Path, monkeypatch: pytest.MonkeyPatch):
    kite("config", "show")
    assert not folder.exists()
    monkeypatch.setattr(_log, "LASTING", frozenset({"config show"}))
    kite("--set", "logging.console=off", "config", "show")
    assert [json.loads(text)["what"] for text in kite("logs", "--json").splitlines()] == [
        "kite config show begins",
        "kite config show ends",
    ]
    before = kite("logs")
    kite("--set", "logging.level=off", "config", "show")
    assert kite("logs") == before


def test_a_folder_that_can_t_be_written_is_said_once_and_the_command_goes_on(tmp_path: Path):
    (tmp_path / "logs").write_text("a file")
    result = CliRunner().invoke(app, ["--set", "alerts.channels=webhook", "alerts", "test"])
    assert result.exit_code == 3
    assert result.stderr.count("can't be written") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent as a signal")
def test_it_follows_until_ctrl_c(folder: Path):
    files = LogFiles(folder, 250, 5)
    files.append(line("before"))
    shown = subprocess.Popen(
        [sys.executable, "-m", "kitecli", "logs", "-f", "--json"], stdout=subprocess.PIPE, text=True
    )
    assert shown.stdout is not None
    with shown.stdout as out:
        seen = [json.loads(out.readline())["what"]]
        for number in range(5):
            files.append(line(str(number)))
        seen += [json.loads(out.readline())["what"] for _ in range(5)]
        os.kill(shown.pid, signal.SIGINT)
        assert shown.wait(30) == 130
    assert seen == ["before", "0", "1", "2", "3", "4"]
