"""Days on disk: kept as they came, opened in place, built again when the index can't be used."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pytest

from kitecli.errors import DataError, EnvironmentProblem
from kitecli.market.book import InstrumentBook
from kitecli.market.instruments import format_instruments
from kitecli.master.store import KEPT_INDEXES, MasterStore, State
from tests.market.masters import share

DAY = date(2026, 11, 20)


def csv(*names: str) -> bytes:
    return format_instruments([share(f"NSE:{name}", at << 8 | 1) for at, name in enumerate(names, 1)]).encode()


def names(store: MasterStore, day: date = DAY) -> list[str]:
    return [row.tradingsymbol for row in InstrumentBook(index=store.open(day))]


def indexes(store: MasterStore) -> list[Path]:
    return sorted(store.folder.glob("*.index"))


@pytest.fixture
def store(tmp_path: Path) -> MasterStore:
    kept = MasterStore(tmp_path / "masters")
    kept.keep(csv("A", "B"), DAY)
    return kept


def test_a_token_that_was_reused_means_each_day_s_instrument(store: MasterStore):
    store.keep(csv("C", "B"), date(2026, 11, 21))
    assert store.days() == [DAY, date(2026, 11, 21)]
    assert (names(store), names(store, date(2026, 11, 21))) == (["A", "B"], ["C", "B"])
    assert store.csv(DAY) == csv("A", "B")


@pytest.mark.parametrize("damage", ["gone", "bit", "cut", "version", "empty"])
def test_an_index_that_can_t_be_used_is_built_again_from_the_csv(store: MasterStore, damage: str):
    (path,) = indexes(store)
    whole = path.read_bytes()
    flipped = whole[:-20] + bytes([whole[-20] ^ 64]) + whole[-19:]
    wrong = {"bit": flipped, "cut": whole[:-8], "version": whole[:8] + b"\x63" + whole[9:], "empty": b""}
    path.unlink() if damage == "gone" else path.write_bytes(wrong[damage])
    assert names(store) == ["A", "B"]
    assert path.read_bytes() == whole


def test_what_is_no_master_changes_nothing(store: MasterStore):
    before = {path: path.read_bytes() for path in store.folder.iterdir()}
    for body in (b"<html>502</html>", b'{"status":"error"}', csv("A", "B")[:-9]):
        with pytest.raises(DataError):
            store.keep(body, DAY)
    assert {path: path.read_bytes() for path in store.folder.iterdir()} == before


def test_the_same_day_again_replaces_it(store: MasterStore):
    store.keep(csv("D"), DAY)
    assert names(store) == ["D"]
    assert len(indexes(store)) == 1


def test_old_indexes_go_and_their_days_stay(store: MasterStore):
    for day in range(1, 8):
        store.keep(csv("A", f"X{day}"), date(2026, 12, day))
    assert len(indexes(store)) == KEPT_INDEXES
    assert len(store.days()) == 8
    assert names(store) == ["A", "B"]


def test_a_day_nobody_kept_or_a_damaged_one_is_said(store: MasterStore):
    with pytest.raises(DataError, match="from 2026-11-20"):
        store.open(date(2026, 11, 19))
    (store.folder / "2026-11-18.csv.gz").write_bytes(gzip.compress(csv("A"))[:-6])
    with pytest.raises(DataError, match="can't be read"):
        store.open(date(2026, 11, 18))


def test_the_state_is_what_was_noted_or_nothing(store: MasterStore):
    assert store.state() is None
    noted = State(str(DAY), "ab", 5, True, '"x"', "Fri", ("odd",))
    store.note(noted)
    assert store.state() == noted
    for text in ("", "{", '{"version": 2}', "[]", '{"version": 1, "day": "x"}'):
        (store.folder / "state.json").write_text(text)
        assert store.state() is None
    store.note(State("2026-11-19", "ab", 5))  # a day whose CSV somebody removed
    assert store.state() is None


def test_a_folder_that_can_t_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="KITE_DATA_DIR"):
        MasterStore(tmp_path / "file" / "below").keep(csv("A"), DAY)
