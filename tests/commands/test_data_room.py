"""``kite data seal`` and ``prune``."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kitecli.catalogue import today
from kitecli.cli import app
from tests.archive.stores import flip, record_day


@pytest.fixture
def kite(tmp_path: Path):
    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["data", *words, "--store", str(tmp_path)])

    return run


def test_every_ended_segment_is_sealed_and_reads_the_same(kite, tmp_path: Path):
    record_day(tmp_path, messages=60)
    shown = kite("show", "2026-11-20").stdout
    done = kite("seal")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split("\t")[:2] == ["2026-11-20", "0001.kseg"]
    assert "1 of 1 segments sealed" in done.stderr
    assert [path.name for path in (tmp_path / "2026-11-20").glob("*.k[sp]*")] == ["0001.kpak"]
    assert kite("show", "2026-11-20").stdout == shown
    assert json.loads(kite("seal", "--json").stdout) == []


def test_what_cant_be_sealed_stays_and_is_said_after_the_others(kite, tmp_path: Path):
    damaged = record_day(tmp_path, messages=200) / "0001.kseg"
    record_day(tmp_path, messages=20, day=date(2026, 11, 19))
    flip(damaged, 0.5)
    done = kite("seal", "--json")
    assert done.exit_code == 6
    good, bad = json.loads(done.stdout)
    assert (good["day"], good["problem"]) == ("2026-11-19", None)
    assert good["packed_bytes"] < good["raw_bytes"]
    assert bad["problem"]["error"] == "recording-damaged"
    assert damaged.exists()


def test_pruning_is_said_first_and_done_when_told(kite, tmp_path: Path):
    old, young = today() - timedelta(days=40), today() - timedelta(days=10)
    for day in (old, young):
        record_day(tmp_path, messages=20, day=day)
    kite("seal")
    said = kite("prune", "--older-than", "30")
    assert said.stdout.split("\t")[0] == str(old)
    assert "--yes does it" in said.stderr
    assert (tmp_path / str(old)).is_dir()
    (done,) = json.loads(kite("prune", "--older-than", "30", "--yes", "--json").stdout)
    assert (done["removed"], [day["day"] for day in done["days"]]) == (True, [str(old)])
    assert not (tmp_path / str(old)).exists()
    assert (tmp_path / str(young)).is_dir()


def test_what_isnt_packed_stays_unless_that_is_said(kite, tmp_path: Path):
    record_day(tmp_path, messages=20, day=today() - timedelta(days=40))
    kept = kite("prune", "--keep-gb", "0", "--yes")
    assert "not sealed" in kept.stdout
    assert "1 more stay" in kept.stderr
    assert kite("prune", "--keep-gb", "0", "--yes", "--unsealed").exit_code == 0
    assert kite("list").stdout == ""


def test_nothing_goes_where_nothing_says_what(kite, tmp_path: Path):
    record_day(tmp_path, messages=20)
    done = kite("prune")
    assert done.exit_code == 2
    assert "--older-than" in done.stderr
    assert CliRunner().invoke(app, ["data", "seal", "--store", str(tmp_path / "none")]).exit_code == 6


def test_several_stores_are_pruned_by_age_and_one_by_size(kite, tmp_path: Path):
    for name in ("sim", "imported"):
        record_day(tmp_path / name, messages=20, day=today() - timedelta(days=40))
    refused = kite("prune", "--keep-gb", "0", "--unsealed")
    assert refused.exit_code == 2
    assert "name one with --store" in refused.stderr
    assert kite("seal").stdout.count("0001.kseg") == 2
    assert kite("prune", "--older-than", "30", "--yes").stderr.count("1 day removed") == 2


@pytest.mark.parametrize(
    ("words", "code"), [(["--keep-gb", "inf"], 2), (["--keep-gb", "nan"], 2), (["--older-than", "99999999999"], 0)]
)
def test_limits_that_are_none(kite, tmp_path: Path, words: list[str], code: int):
    record_day(tmp_path, messages=2)
    assert kite("prune", *words).exit_code == code
