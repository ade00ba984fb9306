"""``kite data list``, ``info`` and ``gaps``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kitecli.cli import app
from tests.archive.stores import START_NS, STEP_NS, flip, record_day

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    record_day(folder)
    return folder


@pytest.fixture
def kite(store: Path) -> Run:
    return lambda *words: CliRunner().invoke(app, ["data", *words, "--store", str(store)])


def test_list_has_a_row_a_day(kite: Run):
    done = kite("list")
    assert done.exit_code == 0, done.stderr
    (row,) = [line.split("\t") for line in done.stdout.splitlines()]
    assert row[:7] == ["2026-11-20", "1,400", "3", "09:15:00.000", "09:15:59.900", "ended", "1"]
    (day,) = json.loads(kite("list", "--json").stdout)
    assert (day["ticks"], day["instruments"], day["packed_bytes"], day["problem"]) == (1400, 3, 0, None)


def test_an_empty_store_and_none_at_all_say_how_to_begin(tmp_path: Path):
    for store in (tmp_path, tmp_path / "missing"):
        done = CliRunner().invoke(app, ["data", "list", "--store", str(store)])
        assert (done.exit_code, done.stdout) == (0, "")
        assert f"no recordings in {store}" in done.stderr
        done = CliRunner().invoke(app, ["data", "info", "2026-11-20", "--store", str(store)])
        assert done.exit_code == 6
        assert "has none at all" in done.stderr


def test_a_damaged_day_is_listed_as_such(tmp_path: Path):
    flip(record_day(tmp_path) / "0001.kseg", 0.5)
    done = CliRunner().invoke(app, ["data", "list", "--store", str(tmp_path)])
    assert done.exit_code == 0
    assert "\tdamaged\t" in done.stdout
    assert "is damaged" in done.stderr


def test_info_of_a_day_and_of_a_file(kite: Run, store: Path):
    day = json.loads(kite("info", "2026-11-20", "--json").stdout)
    assert (day["ticks"], day["records"]["messages"], day["ticks_by_mode"]["full"]) == (1400, 600, 600)
    (segment,) = day["segments"]
    assert segment["connections"][0]["endpoint"] == "wss://ws.kite.trade"
    file = json.loads(kite("info", str(store / "2026-11-20" / "0001.kseg"), "--json").stdout)
    assert file == segment
    lines = dict(line.split("\t") for line in kite("info", "2026-11-20").stdout.splitlines())
    assert lines["ticks"] == "1,400"
    assert lines["first_ns"] == "2026-11-20 09:15:00.000 IST"
    assert lines["segments.1.settings.sync_interval_s"] == "1.0"


def test_gaps_of_a_day_a_span_and_instruments(kite: Run):
    cells = [line.split("\t") for line in kite("gaps", "2026-11-20").stdout.splitlines()]
    assert cells == [["09:15:20.000", "09:15:25.000", "5.0 s", "0", "1", "the socket was cut"]]
    (gap,) = json.loads(kite("gaps", "2026-11-20", "NSE:INFY", "--from", "09:15:24", "--json").stdout)
    assert (gap["from_ns"], gap["to_ns"]) == (START_NS + 200 * STEP_NS, START_NS + 250 * STEP_NS)
    for other in (["NIFTY 50"], ["--from", "09:15:26"], ["--to", "09:15:20"]):
        done = kite("gaps", "2026-11-20", *other)
        assert (done.exit_code, done.stdout) == (0, ""), other
        assert "0 outages" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["info", "2026-11-19"], 6, "no recording of 2026-11-19"),
        (["info", "yesterday"], 2, "neither a day nor"),
        (["info", "9.kseg"], 6, "no file 9.kseg"),
        (["gaps", "2026-11-20", "NSE:NOPE"], 5, "Unknown instrument"),
        (["gaps", "2026-11-20", "--from", "noon"], 2, "'noon' is no time"),
        (["gaps"], 2, "where"),
    ],
)
def test_mistakes_are_said_with_what_to_do(kite: Run, words: list[str], code: int, said: str):
    done = kite(*words)
    assert (done.exit_code, done.stdout) == (code, ""), done.stderr
    assert said.lower() in done.stderr.lower()
