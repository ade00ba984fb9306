"""``kite data verify`` and ``salvage``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kitecli.cli import app
from kitecli.store.sealing import seal
from tests.archive.stores import flip, record_day


def kite(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, words)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return record_day(tmp_path)


def test_a_sound_day_raw_and_packed(folder: Path):
    for file in ("0001.kseg", "0001.kpak"):
        done = kite("verify", folder)
        assert done.exit_code == 0, done.stderr
        assert done.stdout.startswith(f"{file}\tsound\t602\t")
        assert "MB/s" in done.stderr
        alone = kite("verify", folder / file, "--json")
        assert json.loads(alone.stdout)[0]["verdict"] == "sound"
        if file == "0001.kseg":
            seal(folder / file)


def test_damage_is_named_and_salvaged_into_a_new_file(folder: Path):
    path = folder / "0001.kseg"
    flip(path, 0.5)
    before = path.read_bytes()
    done = kite("verify", folder)
    assert done.exit_code == 6
    assert "\tdamaged\t" in done.stdout
    assert "lost, received between 09:15:" in done.stdout
    (told,) = json.loads(kite("verify", folder, "--json").stdout)
    (lost,) = told["lost"]
    assert lost["until"] - lost["first"] == 1

    saved = kite("salvage", path, "--json")
    assert saved.exit_code == 0, saved.stderr
    assert json.loads(saved.stdout)["lost"] == [lost]
    assert path.read_bytes() == before
    fresh = folder / "0001.salvaged.kseg"
    assert kite("verify", fresh).exit_code == 0
    assert kite("verify", folder).exit_code == 6  # the day still has the damaged one

    shutil.move(path, folder.parent / "damaged.kseg")
    fresh.rename(path)
    assert kite("verify", folder).exit_code == 0
    assert "lost to damage: 1 record" in kite("gaps", folder).stdout
    assert len(kite("show", folder).stdout.splitlines()) in {1397, 1398}


def test_salvage_never_writes_over_anything(folder: Path):
    path, taken = folder / "0001.kseg", folder / "taken.kseg"
    assert "nothing was written" in kite("salvage", path).stderr
    assert not (folder / "0001.salvaged.kseg").exists()
    flip(path, 0.5)
    taken.write_bytes(b"mine")
    refused = kite("salvage", path, "--out", taken)
    assert refused.exit_code == 2
    assert taken.read_bytes() == b"mine"
    assert kite("salvage", path, "--out", folder / "missing" / "x.kseg").exit_code == 8


def test_a_missing_beginning_and_a_torn_tail(folder: Path):
    path = folder / "0001.kseg"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    torn = kite("verify", folder)
    assert torn.exit_code == 0
    assert "torn tail" in torn.stdout


@pytest.mark.parametrize("verb", ["verify", "salvage", "info"])
def test_another_version_and_no_recording_are_refused(folder: Path, verb: str):
    path = folder / "0001.kseg"
    raw = bytearray(path.read_bytes())
    raw[8] = 2
    path.write_bytes(raw)
    newer = kite(verb, path)
    assert newer.exit_code == 6
    assert "version 2, this kite reads 1" in newer.stderr
    path.write_bytes(b"an essay " * 100)
    assert kite(verb, path).exit_code == 6


def test_a_packed_file_isnt_salvaged(folder: Path):
    done = kite("salvage", seal(folder / "0001.kseg"))
    assert done.exit_code == 6
    assert "is packed" in done.stderr
