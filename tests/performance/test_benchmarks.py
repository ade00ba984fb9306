"""Each benchmark runs from end to end and says what it found. No figure is judged here: this machine may be busy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
BENCHMARKS = CHECKOUT / "benchmarks"
# What each must show: the tables' titles begin so.
TITLES = {
    "decode": ["Full packets into a ring", "The reference decoder"],
    "pass": ["The whole compiled pass"],
    "bars": ["The whole compiled pass with bars"],
    "socket": ["Socket to the end of the whole pass"],
    "latency": ["Socket to on_tick"],
    "scaling": ["What a feed costs as it grows", "Whole loads"],
    "startup": ["Start-up"],
    "footprint": ["Installed", "Cold start"],
    "queries": ["Asking a full ring"],
    "dictionaries": ["A tick as a dictionary"],
    "masters": ["The instrument master", "The master in memory", "A symbol at the prompt"],
    "recordings": ["Recording a message", "The receive loop", "Reading a recording", "The size of a recording"],
    "peers": ["A day's ticks kept"],
    "instructions": ["Instructions a tick"],
    "layouts": ["Layouts of a tick: writing", "Layouts of a tick: reading"],
}


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, BENCHMARKS / "run.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=CHECKOUT)


@pytest.mark.parametrize("name", TITLES)
def test_runs_and_shows_its_tables(name: str, tmp_path: Path):
    done = run(name, "--smoke", "--json", tmp_path / "figures.json")
    assert done.returncode == 0, done.stderr
    if "left out" in done.stderr:
        pytest.skip(done.stderr.strip())
    tables = json.loads((tmp_path / "figures.json").read_text())["tables"]
    assert all(table["title"].startswith(start) for table, start in zip(tables, TITLES[name], strict=True))
    for table in tables:
        assert f"### {table['title']}" in done.stdout
        assert table["rows"]
        for row in table["rows"]:
            assert row["what"] in done.stdout


def test_every_benchmark_is_tested_here():
    listed = run("--help").stdout
    assert all(name in listed for name in TITLES)
    assert run("nonesuch").returncode == 2
    assert run("startup", "--write").returncode == 2
    everything = subprocess.run(
        [sys.executable, "-c", "import run; print(*run.BENCHMARKS)"],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        check=True,
    )
    assert everything.stdout.split() == [*TITLES]


def test_says_under_which_conditions(tmp_path: Path):
    done = run("startup", "--smoke", "--json", tmp_path / "figures.json")
    conditions = json.loads((tmp_path / "figures.json").read_text())["conditions"]
    assert {"command", "date", "CPU", "system", "Python", "packages", "load average"} <= conditions.keys()
    assert "startup --smoke" in conditions["command"]
    assert all(f"- {name}: {value}" in done.stdout for name, value in conditions.items())


def test_leaves_out_what_needs_the_compiled_pass():
    command = [sys.executable, BENCHMARKS / "run.py", "pass", "--smoke"]
    done = subprocess.run(
        command, env={**os.environ, "KITE_PURE": "1"}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert "pass: left out: KITE_PURE=1" in done.stderr


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import report

    return report


def test_a_page_changes_between_the_marks_only(report, tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write_into(page, "fresh")
    assert page.read_text() == f"before\n{report.BEGIN}\n\nfresh\n{report.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="no section"):
        report.write_into(page, "fresh")
    assert page.read_text() == "no marks"


def test_the_page_of_results_has_its_section(report):
    page = (CHECKOUT / "docs" / "benchmarks.md").read_text()
    assert page.count(report.BEGIN) == page.count(report.END) == 1


def test_a_table_leaves_out_columns_nobody_fills(report):
    rows = [report.Row("one", 1.0, peer=20.0, ratio="20x less", target="<= 2", met=True), report.Row("two", 0.5)]
    lines = report.Table("name", "Title", "ns", "C", rows, ["a note"]).markdown().splitlines()
    assert lines[0] == "### Title"
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == [
        *("what", "ours, ns", "C", "ratio", "target", "met"),
    ]
    assert [cell.strip() for cell in lines[4].strip("|").split("|")] == [
        "one",
        "1.00",
        "20.0",
        "20x less",
        "<= 2",
        "yes",
    ]
    assert lines[-1] == "- a note"


def test_costs_are_medians_of_paired_differences(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import measure

    ours, copy = measure.Cost([110.0, 250.0, 330.0], [11.0, 25.0, 33.0]), measure.Cost([10.0] * 3, [1.0] * 3)
    assert ours.per(10) == (25.0, 2.5)
    assert ours.per(10, copy) == (24.0, 2.4)
    assert measure.percentile([*range(1, 101)], 99) == 99
    assert measure.percentile([7], 50) == 7


def test_every_candidate_runs_once_a_round_in_turning_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import measure

    seen: list[str] = []
    costs = measure.in_turns({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, rounds=2, warm_rounds=1)
    assert seen == ["a", "b", "b", "a", "a", "b"]
    assert [len(cost.wall_ns) for cost in costs.values()] == [2, 2]


def test_a_grid_has_a_column_for_each_figure(report):
    grid = report.Grid("scaling", "It grows", ("ticks/s", "lost"), [report.Line("one", ("200", "0"))], ("a note",))
    head, _, only = (line for line in grid.markdown().splitlines() if line.startswith("|"))
    assert [cell.strip() for cell in head.strip("|").split("|")] == ["what", "ticks/s", "lost"]
    assert [cell.strip() for cell in only.strip("|").split("|")] == ["one", "200", "0"]
    assert "- a note" in grid.markdown()
