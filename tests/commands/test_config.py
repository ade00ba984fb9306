"""``kite config``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kitecli.cli import app
from kitecli.settings.schema import kinds


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kite(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_show_prints_every_setting_with_value_and_origin(folder: Path):
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text("performance:\n  buffer_size: 5\n")
    lines = [line.split("\t") for line in kite("--profile", "memory-efficiency", "config", "show").stdout.splitlines()]
    shown = {key: (value, origin) for key, value, origin, _ in lines}
    assert list(shown) == list(kinds())
    assert shown["performance.use_mmap"] == ("true", "default")
    assert shown["performance.buffer_size"][0] == "1000"
    assert shown["performance.buffer_size"][1].startswith("profile ")


def test_show_as_json_takes_every_layer(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KITE_DATAFEED_EQUITY_MODE", "full")
    result = kite("--set", "performance.buffer_size=9", "config", "show", "--json")
    settings = json.loads(result.stdout)["settings"]
    assert settings["performance.buffer_size"]["value"] == 9
    assert settings["performance.buffer_size"]["origin"] == "flag --set performance.buffer_size"
    assert settings["datafeed.equity_mode"]["origin"] == "environment KITE_DATAFEED_EQUITY_MODE"
    assert "1048576" in settings["performance.ring_buffer_size"]["notice"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_secrets_are_masked(folder: Path, monkeypatch: pytest.MonkeyPatch, form: list[str]):
    monkeypatch.setenv("KITE_API_SECRET", "canary")
    printed = kite("config", "show", *form).output
    assert "canary" not in printed
    assert "********" in printed


def test_a_mistake_is_an_error_also_as_json(folder: Path):
    result = kite("--set", "trading.market_start=dawn", "config", "show", "--json")
    assert (result.exit_code, result.stdout) == (3, "")
    assert json.loads(result.stderr)["error"] == "config"


def test_path_prints_the_file_in_force(folder: Path):
    none = kite("config", "path")
    assert none.stdout == ""
    assert "--config FILE, $KITE_CONFIG, " in none.stderr
    (folder / "mine.yaml").write_text("")
    assert kite("--config", "mine.yaml", "config", "path").stdout == "mine.yaml\n"
    assert json.loads(kite("--config", "mine.yaml", "config", "path", "--json").stdout)["file"] == "mine.yaml"


def test_in_a_real_process_stdout_is_data_only(run_kite):
    result = run_kite("config", "show", env={"KITE_PERFORMANCE_WORKER_THREADS": "2", "KITE_ODD": "1"})
    assert result.returncode == 0
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == len(kinds())
    assert json.loads(run_kite("config", "path", "--json").stdout)["file"] is None
