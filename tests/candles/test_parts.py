"""Pieces on disk: complete or not there, joined without repeats."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from made import joined, minutes

from kitecli.candles.parts import Parts
from kitecli.candles.plan import Days
from kitecli.errors import DataError

MON, TUE, WED, THU = (date(2026, 11, day) for day in (16, 17, 18, 19))
WHOLE = Days(MON, THU)


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path / "NSE-INFY-408065")


def test_nothing_is_there_at_first(parts: Parts):
    assert parts.had() == []
    assert parts.read(WHOLE).size == 0
    assert not parts.folder.exists()


def test_pieces_are_read_together_by_time(parts: Parts):
    parts.keep(Days(WED, THU), joined(minutes(WED), minutes(THU)))
    parts.keep(Days(MON, TUE), minutes(MON))
    assert parts.had() == [Days(MON, TUE), Days(WED, THU)]
    found = parts.read(WHOLE)
    assert found.tobytes() == joined(minutes(MON), minutes(WED), minutes(THU)).tobytes()
    assert parts.read(Days(TUE, WED)).tobytes() == minutes(WED).tobytes()


def test_days_without_candles_are_there_too(parts: Parts):
    parts.keep(Days(MON, TUE), minutes(MON, 0))
    assert parts.had() == [Days(MON, TUE)]
    assert parts.read(WHOLE).size == 0


def test_overlapping_pieces_leave_no_repeats(parts: Parts):
    parts.keep(Days(MON, WED), joined(minutes(MON), minutes(TUE), minutes(WED)))
    parts.keep(Days(TUE, THU), joined(minutes(TUE), minutes(WED), minutes(THU)))
    assert np.unique(parts.read(WHOLE)["start_s"]).size == parts.read(WHOLE).size == 12


def test_an_open_day_is_read_and_still_missing_until_it_is_complete(parts: Parts):
    parts.keep(Days(MON, TUE), joined(minutes(MON), minutes(TUE)))
    parts.keep(Days(WED, WED), minutes(WED, 2, price=90, settled=False), is_open=True)
    assert parts.had() == [Days(MON, TUE)]
    assert parts.read(WHOLE)["settled"].tolist() == [True] * 6 + [False] * 2
    parts.keep(Days(WED, THU), minutes(WED, 3, price=95, settled=False), is_open=True)
    assert parts.read(WHOLE)["open"].tolist() == [100] * 6 + [95] * 3
    parts.keep(Days(WED, THU), minutes(WED, 1))
    assert parts.read(WHOLE)["open"].tolist() == [100] * 7
    assert len(list(parts.folder.iterdir())) == 2


def test_a_complete_piece_wins_over_an_open_one(parts: Parts):
    parts.keep(Days(MON, TUE), minutes(TUE, price=100))
    parts.keep(Days(TUE, WED), joined(minutes(TUE, price=50), minutes(WED, price=50)), is_open=True)
    assert parts.read(WHOLE)["open"].tolist() == [100] * 3 + [50] * 3


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-5], lambda _: b"", lambda raw: raw.replace(b"start_s", b"stort_s")]
)
def test_a_damaged_piece_is_said_removed_and_missing_again(parts: Parts, damage):
    parts.keep(Days(MON, TUE), minutes(MON))
    parts.keep(Days(WED, THU), minutes(WED))
    path = parts.folder / "2026-11-16_2026-11-17.npy"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="2026-11-16_2026-11-17") as raised:
        parts.read(WHOLE)
    assert "again" in raised.value.hint
    assert parts.had() == [Days(WED, THU)]


def test_strangers_in_the_folder_are_left_alone(parts: Parts):
    parts.keep(WHOLE, minutes(MON))
    for name in ("notes.txt", ".2026-11-16_2026-11-17.npy.ab12", "2026-11-16.npy"):
        (parts.folder / name).write_text("mine")
    assert parts.had() == [WHOLE]
    parts.forget()
    assert parts.had() == []
    assert len(list(parts.folder.iterdir())) == 3
