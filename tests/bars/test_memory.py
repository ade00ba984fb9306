"""What mapping has in common with a ring's is tested in tests/ring/test_memory.py."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from kitecli.bars.intervals import Interval
from kitecli.bars.layout import HEADER_DTYPE, MAGIC, SERIES_OFFSET, VERSION, BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.bars.parts import BarsParts
from kitecli.errors import DataError, EnvironmentProblem
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory

LAYOUT = BarsLayout(64, 128, 3)
INTERVALS = tuple(Interval.parse(text) for text in ("1m", "100ms", "500t"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feed.bars"


def test_whoever_attaches_finds_what_was_made(path: Path):
    made = BarsMemory.create(path, LAYOUT, INTERVALS, 1500)
    BarsParts.of(made).bars[2, 127]["open"] = 77
    found = BarsMemory.attach(path)
    assert (found.layout, found.intervals, found.grace_ms, found.path) == (LAYOUT, INTERVALS, 1500, path)
    assert BarsParts.of(found).bars[2, 127]["open"] == 77
    with pytest.raises(TypeError):
        found.buffer[0] = 0


def test_the_file_is_its_owner_s_alone_and_has_all_its_space(path: Path):
    BarsMemory.create(path, LAYOUT, INTERVALS, 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size == LAYOUT.total_bytes


def test_the_header_says_what_the_drawing_says():
    header = BarsMemory.private(LAYOUT, INTERVALS, 1500).header()[0]
    assert (header["magic"], header["version"], header["writer_pid"]) == (MAGIC, VERSION, os.getpid())
    assert (header["rows"], header["capacity"], header["series"], header["grace_ms"]) == (64, 128, 3, 1500)
    assert header["total_bytes"] == LAYOUT.total_bytes
    assert header["created_ns"] > 1_700_000_000_000_000_000


def test_removing_deletes_the_file_and_leaves_readers_their_pages(path: Path):
    made = BarsMemory.create(path, LAYOUT, INTERVALS, 1500)
    found = BarsMemory.attach(path)
    made.remove()
    assert not path.exists()
    assert found.buffer[: len(MAGIC)] == MAGIC


def test_no_bars_are_said_to_be_none(path: Path):
    with pytest.raises(DataError, match="No bars at"):
        BarsMemory.attach(path)
    RingMemory.create(path, RingLayout.of(64, 64))
    with pytest.raises(DataError, match="is no memory of bars"):
        BarsMemory.attach(path)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("version", VERSION + 1, "another version"),
        ("series", 9, "damaged"),
        ("capacity", 256, "damaged"),
        ("cold_offset", 4096, "damaged"),
    ],
)
def test_what_can_t_be_read_is_refused_with_its_reason(path: Path, field: str, value: int, said: str):
    BarsMemory.create(path, LAYOUT, INTERVALS, 1500)
    header = np.fromfile(path, HEADER_DTYPE, 1)
    header[field] = value
    with path.open("r+b") as file:
        file.write(header.tobytes())
    with pytest.raises(DataError, match=said):
        BarsMemory.attach(path)


def test_a_kind_of_bars_nobody_knows_is_damage(path: Path):
    BarsMemory.create(path, LAYOUT, INTERVALS, 1500)
    with path.open("r+b") as file:
        file.seek(SERIES_OFFSET)
        file.write(b"\x07")
    with pytest.raises(DataError, match="damaged"):
        BarsMemory.attach(path)


def test_a_file_cut_short_is_damage(path: Path):
    BarsMemory.create(path, LAYOUT, INTERVALS, 1500)
    os.truncate(path, LAYOUT.total_bytes - 4096)
    with pytest.raises(DataError, match="damaged"):
        BarsMemory.attach(path)


def test_where_nothing_can_be_made_it_says_what_to_set(tmp_path: Path):
    with pytest.raises(EnvironmentProblem) as refused:
        BarsMemory.create(tmp_path / "nowhere" / "feed.bars", LAYOUT, INTERVALS, 1500)
    assert "KITE_RUNTIME_DIR" in refused.value.hint


def test_bars_that_don_t_fit_say_how_many_bytes_they_need(small_disk: Path):
    path = small_disk / "feed.bars"
    with pytest.raises(EnvironmentProblem) as refused:
        BarsMemory.create(path, BarsLayout(64, 1 << 16, 3), INTERVALS, 1500)
    assert refused.value.what == f"No room for 15 MB of bars in {small_disk}"
    assert refused.value.why == "0.3 MB are free there"
    assert "fewer bars" in refused.value.hint
    assert not path.exists()


def test_nor_do_more_bars_fit_into_memory_than_it_has():
    with pytest.raises(EnvironmentProblem, match=r"No room for .* MB of bars in memory"):
        BarsMemory.private(BarsLayout(64, 1 << 42, 3), INTERVALS, 1500)
