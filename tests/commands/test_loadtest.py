"""``kite loadtest`` from its command line to exit code, table, JSON and report, over made-up runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kitecli.cli import app
from kitecli.commands.loadtest import MISSED_EXIT
from kitecli.loadtest import course
from kitecli.loadtest.plan import LoadPlan
from tests.loadtest.samples import a_client, a_run


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[LoadPlan, str, int]]:
    """Plans, contenders and ring sizes of what would have been run; above 100/s of each, a tick is lost."""
    ran: list[tuple[LoadPlan, str, int]] = []

    def run_load(plan, settings, contender, tell):
        ran.append((plan, contender, settings.performance.ring_buffer_size))
        tell("measuring", 0.5)
        run = a_run(contender, asked_per_s=plan.ticks_per_s, sent=round(plan.ticks_per_s * 10))
        return replace(run, clients=(a_client(missing=1),)) if plan.rate > 100 else run

    monkeypatch.setattr(course, "run_load", run_load)
    return ran


def run(*arguments: str):
    return CliRunner().invoke(app, ["loadtest", *arguments])


def test_a_load_that_does_ends_with_nought_its_table_and_a_report(plans, tmp_path: Path):
    report = tmp_path / "new" / "report.html"
    result = run("--report", str(report))
    assert result.exit_code == 0
    assert plans[0][0] == LoadPlan(1000, 60.0, 2.0, "quote", 3, 1)
    assert "ticks/s delivered\t2,000\n" in result.stdout
    assert "lost=0\t0\tpass\n" in result.stdout
    assert "kite: measuring" in result.stderr
    assert f"Report: {report}" in result.stderr
    assert report.read_text().startswith("<!doctype html>")


def test_a_target_that_is_missed_has_an_exit_code_of_its_own(plans, tmp_path: Path):
    result = run("--slo", "cpu=1%", "--report", str(tmp_path / "r.html"))
    assert result.exit_code == MISSED_EXIT == 10
    assert "cpu=1%\t3.0%\tFAIL" in result.stdout
    assert "what gave way: cpu" in result.stderr


def test_json_is_one_document_and_says_where_the_report_is(plans, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    result = run("--json", "--compare", "kiteconnect", "--duration", "5", "--record", "--burst", "9000")
    said = json.loads(result.stdout)
    assert [one["contender"] for one in said["runs"]] == ["kite", "kiteconnect"]
    assert Path(said["report"]).parent == tmp_path / "loadtests"
    assert Path(said["report"]).is_file()
    plan = plans[0][0]
    assert (plan.duration_s, plan.record, plan.burst, plan.burst_s) == (5.0, True, 9000, 5.0)


def test_the_most_is_searched_in_short_steps(plans, tmp_path: Path):
    result = run("--find-max", "--report", str(tmp_path / "r.html"), "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == 0
    assert {plan.duration_s for plan, *_ in plans} == {5.0}
    assert 90_000 <= said["limit"]["held_per_s"] <= 100_000
    assert said["limit"]["broke"] == "feed"


def test_profiles_have_short_names(plans, tmp_path: Path):
    report = str(tmp_path / "r.html")
    assert run("--profile", "memory", "--report", report).exit_code == 0
    assert run("--profile", "speed", "--report", report).exit_code == 0
    assert [ring for *_, ring in plans] == [100_000, 1_000_000]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mode", "ltp"], "mode ltp"),
        (["--instruments", "9001"], "9,001 instruments"),
        (["--slo", "p99"], "p99 is no target"),
        (["--compare", "nobody"], "nobody"),
        (["--profile", "fast"], "no profile fast"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_starts(plans, arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert plans == []


def test_a_report_that_cannot_be_written_is_said_before_minutes_are_spent(plans, tmp_path: Path):
    (tmp_path / "file").write_text("")
    result = run("--report", str(tmp_path / "file" / "r.html"))
    assert result.exit_code == 8
    assert plans == []
