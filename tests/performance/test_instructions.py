"""The check of instructions a tick: what callgrind wrote is read right, and a rise is told, by figure and by how much.

That the programs run and are counted is among the benchmarks' own tests; .ci/run holds them to the table.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent.parent / "benchmarks"
BY = "gcc 12, x86_64"
# A function's own cost, then one call's; ``counted_pack`` was named where it was called; the last is another's.
WRITTEN = """\
fl=(1) ???
fn=(1) counted_pass
0 100
+3 20
cfn=(2) helper
calls=7 0
* 30
cfn=(3) counted_pack
calls=1 0
0 0

fn=(3)
-4 5

fn=(2)
0 30
summary: 155
"""


@pytest.fixture
def instructions(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import instructions

    return instructions


def test_a_function_is_counted_with_all_it_calls(instructions: ModuleType):
    counts, total = instructions.inclusive(WRITTEN.splitlines())
    assert counts == {"pass": 150, "pack": 5}
    assert total == 155


def test_a_rise_beyond_the_tolerance_fails_and_is_told(instructions: ModuleType):
    found, table = {"pass": 104.0, "pack": 102.0}, {BY: {"pass": 100.0, "pack": 100.0}}
    said = instructions.told(instructions.judged(found, table, BY), BY)
    assert said.startswith("FAILED: 1 of 2")
    assert "+4.0%" in said
    assert "+2.0%" not in said
    assert "--accept" in said


def test_what_stays_or_falls_passes_and_a_fall_is_to_be_kept(instructions: ModuleType):
    table = {BY: {"pass": 100.0}}
    stays = instructions.told(instructions.judged({"pass": 102.9}, table, BY), BY)
    falls = instructions.told(instructions.judged({"pass": 90.0}, table, BY), BY)
    assert "FAILED" not in stays + falls
    assert "--accept" not in stays
    assert "-10.0%" in falls
    assert "--accept" in falls


def test_another_compiler_is_only_kept_from_doubling_a_figure(instructions: ModuleType):
    table = {BY: {"pass": 100.0}}
    near, far = (instructions.judged({"pass": count}, table, "clang 19, arm64") for count in (140.0, 160.0))
    assert "FAILED" not in instructions.told(near, "")
    assert "FAILED" in instructions.told(far, "")


def test_accepting_replaces_one_compilers_figures(instructions: ModuleType):
    table = {BY: {"pass": 100.0}, "clang 19, arm64": {"pass": 7.0}}
    written = json.loads(instructions.accepted({"pass": 123.456}, table, BY))
    assert written == {BY: {"pass": 123.46}, "clang 19, arm64": {"pass": 7.0}}


def test_the_table_has_every_figure(instructions: ModuleType):
    assert all(set(known) == set(instructions.FIGURES) for known in instructions.read_table().values())
