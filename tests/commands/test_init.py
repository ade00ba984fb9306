"""``kite init``."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from kitecli.cli import app


def test_it_prints_what_it_wrote_and_the_file_is_then_in_force(run_kite, tmp_path: Path):
    written = run_kite("init")
    assert written.stdout.split() == [str(Path("config/config.yaml")), ".env.example"]
    assert "kite config show" in written.stderr
    assert run_kite("config", "path").stdout.strip() == str(Path("config/config.yaml"))


def test_a_second_time_it_refuses_and_force_replaces(tmp_path: Path):
    def init(*more: str):
        return CliRunner().invoke(app, ["init", "--path", str(tmp_path), *more])

    assert init().exit_code == 0
    again = init("--json")
    assert (again.exit_code, again.stdout) == (2, "")
    assert "--force" in json.loads(again.stderr)["hint"]
    replaced = init("--force", "--json")
    assert len(json.loads(replaced.stdout)["written"]) == 2
