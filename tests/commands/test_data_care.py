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


def test_a_packed_file_is_salvaged_into_a_raw_one(folder: Path):
    path = seal(folder / "0001.kseg")
    flip(path, 0.5)
    done = kite("verify", folder)
    assert (done.exit_code, "lost, received between 09:15:" in done.stdout) == (6, True)
    assert "kite data salvage" in done.stderr
    saved = kite("salvage", path)
    assert (saved.exit_code, "in the place of 0001.kpak, as 0001.kseg" in saved.stderr) == (0, True)
    (folder / "0001.salvaged.kseg").rename(folder / "0001.kseg")
    assert kite("verify", folder).exit_code == 0
    assert "lost to damage" in kite("gaps", folder).stdout


def test_salvage_says_that_it_wrote_nothing_and_refuses_what_is_no_recording(folder: Path, tmp_path: Path):
    assert json.loads(kite("salvage", folder / "0001.kseg", "--json").stdout)["file"] is None
    (tmp_path / "passwd").write_text("root:x:0:0")
    other = kite("salvage", tmp_path / "passwd")
    assert (other.exit_code, "is no recording's segment" in other.stderr) == (6, True)
    assert (kite("salvage", tmp_path).exit_code, "packed" in kite("salvage", tmp_path).stderr) == (6, False)


def test_a_file_that_is_missing_blames_none_and_is_passed_if_that_is_asked(tmp_path: Path):
    for _ in range(3):
        folder = record_day(tmp_path, 100)
    (folder / "0002.kseg").unlink()
    for verb in ("gaps", "show"):
        done = kite(verb, folder)
        assert done.exit_code == 6
        assert "0002 is missing before 0003" in done.stderr
        assert "records 100 to 200 are lost, received between 09:15:09.900 and" in done.stderr
        assert "--past-damage" in done.stderr
        assert "salvage" not in done.stderr
    done = kite("verify", folder)
    assert (done.exit_code, "0003.kseg\tbehind a gap\t" in done.stdout, "salvage" in done.stderr) == (6, True, False)
    gaps = kite("gaps", folder, "--past-damage")
    assert (gaps.exit_code, "lost to damage: 101 records" in gaps.stdout) == (0, True), gaps.stdout + gaps.stderr
    shown = kite("show", folder, "--past-damage")
    assert (shown.exit_code, len(shown.stdout.splitlines())) == (0, 2 * 234), shown.stderr
    out = tmp_path / "out.csv"
    done = kite("export", folder, "--past-damage", "--out", out)
    assert (done.exit_code, len(out.read_text().splitlines())) == (0, 1 + 2 * 234), done.stderr
