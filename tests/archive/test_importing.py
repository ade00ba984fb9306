"""Files into a day that reads like any other."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from kitecli.archive.headers import header_facts
from kitecli.archive.importing import CHUNK_TICKS, MOST_PACKETS, import_day
from kitecli.archive.intake import Intake, take_in
from kitecli.archive.naming import DayNames
from kitecli.archive.reading import batches
from kitecli.errors import DataError, EnvironmentProblem
from kitecli.store.recorder import StoreHold
from kitecli.store.recording import Recording
from kitecli.store.spans import Span
from tests.archive.test_intake import START_MS, table
from tests.archive.test_official import AT_NS, FULL

DAY = date(2024, 6, 27)


def read(folder: Path) -> list[tuple[int, int, int]]:
    """Token, price and stamp of each tick."""
    with Recording.open(folder) as recording:
        return [
            row
            for batch in batches(recording, (), Span())
            for row in zip(*(batch.ticks[name].tolist() for name in ("token", "last_price", "ts_recv_ns")), strict=True)
        ]


def rows(token: int, stamps: list[int]) -> list[str]:
    return [f"{START_MS + stamp},{token},{10 + stamp / 100}" for stamp in stamps]


def test_what_is_imported_reads_as_it_was_and_is_marked(tmp_path: Path):
    intake = take_in(table(tmp_path))
    done = import_day([intake], tmp_path / "store")
    assert (done.day, done.ticks, done.instruments, done.messages) == (DAY, 3, 2, 3)
    assert done.folder == tmp_path / "store" / "2024-06-27"
    with Recording.open(done.folder) as recording:
        (batch,) = batches(recording, (), Span())
        assert DayNames.of(done.folder, DAY, recording.master).tokens(["NIFTY 50"]) == [256265]
    for name in ("token", "last_price", "volume", "oi", "close", "ts_event_s", "ts_recv_ns", "mode"):
        expected = intake.ticks[name].tolist()
        if name in ("volume", "oi"):
            expected[1] = 0  # an index has neither
        assert batch.ticks[name].tolist() == expected, name
    facts = header_facts(done.folder / "0001.kseg")
    assert facts["imported"]["files"] == [{"name": "t.csv", "ticks": 3, "received": "column ltt_ms"}]
    assert facts["imported"]["left_out"] == done.left_out
    assert facts["imported"]["master"] == "made of the files' symbols"
    assert facts["ended"]
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["2024-06-27"]


def test_files_are_merged_by_time_and_one_files_order_is_kept(tmp_path: Path):
    first = take_in(table(tmp_path, rows(257, [10, 30, 20, 40]), "time,token,ltp"))
    second = take_in(table(tmp_path, rows(513, [5, 10, 35, 35]), "time,token,ltp"))
    folder = import_day([first, second], tmp_path / "store").folder
    found = [(token, (stamp - AT_NS) // 10**6) for token, _, stamp in read(folder)]
    assert found == [(513, 5), (257, 10), (513, 10), (257, 30), (257, 20), (513, 35), (513, 35), (257, 40)]


def test_ticks_of_one_stamp_come_in_one_message_of_what_a_connection_carries(tmp_path: Path):
    intake = take_in(table(tmp_path, rows(257, [0] * (2 * MOST_PACKETS + 5) + [1, 1]), "time,token,ltp"))
    done = import_day([intake], tmp_path / "store")
    with Recording.open(done.folder) as recording:
        counts = [int.from_bytes(frame.payload[:2], "big") for frame in recording.frames()]
    assert sum(counts) == 2 * MOST_PACKETS + 7
    assert max(counts) <= MOST_PACKETS
    assert done.messages == len(counts) == 4


def test_many_ticks_come_back_in_their_order(tmp_path: Path):
    base = take_in(table(tmp_path, rows(257, [0]), "time,token,ltp"))
    ticks = np.repeat(base.ticks, 3 * CHUNK_TICKS)
    ticks["last_price"] = np.arange(len(ticks))
    ticks["ts_recv_ns"] += np.arange(len(ticks)) // 7 * 1000
    steps: list[int] = []
    done = import_day([replace(base, ticks=ticks)], tmp_path / "store", step=steps.append)
    assert [price for _, price, _ in read(done.folder)] == list(range(len(ticks)))
    assert sum(steps) == len(ticks)
    assert done.messages == -(-len(ticks) // 7)


def test_depth_and_connections_are_kept(tmp_path: Path):
    path = tmp_path / "t.json"
    path.write_text(json.dumps([FULL, {**FULL, "connection": 2}], default=str))
    done = import_day([take_in(path)], tmp_path / "store", master=b"")
    with Recording.open(done.folder) as recording:
        (batch,) = batches(recording, (), Span())
    assert batch.ticks["connection"].tolist() == [0, 2]
    assert batch.depth["sell"]["price"].tolist() == [[57010] * 5] * 2
    assert batch.depth["buy"]["quantity"].tolist() == [[75] * 5] * 2
    assert batch.depth["oi_day_high"].tolist() == [16800] * 2


def test_days_are_never_mixed(tmp_path: Path):
    both = take_in(table(tmp_path, rows(257, [0, 86_400_000]), "time,token,ltp"))
    with pytest.raises(DataError, match="several days") as raised:
        import_day([both], tmp_path / "store")
    assert raised.value.why == "2024-06-27, 2024-06-28"
    done = import_day([both], tmp_path / "store", date(2024, 6, 28))
    assert (done.ticks, done.left_out["ticks of other days"]) == (1, 1)
    with pytest.raises(DataError, match="No tick of these files is of 2024-06-29"):
        import_day([both], tmp_path / "store", date(2024, 6, 29))


def test_a_day_that_is_there_isnt_added_to(tmp_path: Path):
    intake = take_in(table(tmp_path))
    before = import_day([intake], tmp_path / "store").folder
    kept = (before / "0001.kseg").read_bytes()
    with pytest.raises(DataError, match="already"):
        import_day([intake], tmp_path / "store")
    assert (before / "0001.kseg").read_bytes() == kept
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["2024-06-27"]


def test_where_nothing_can_be_written_nothing_is_left(tmp_path: Path):
    (tmp_path / "store").write_text("a file")
    with pytest.raises(EnvironmentProblem):
        import_day([take_in(table(tmp_path))], tmp_path / "store")


def test_a_nights_ticks_are_of_the_day_before_as_if_they_had_been_recorded(tmp_path: Path):
    stamps = [0, (24 * 3600 - 9 * 3600 - 15 * 60 + 1800) * 1000]  # 09:15, and 00:30 of the next morning
    done = import_day([take_in(table(tmp_path, rows(257, stamps), "time,token,ltp"))], tmp_path / "store")
    assert (done.day, done.ticks) == (DAY, 2)


def test_what_a_killed_import_left_is_removed_and_what_lives_is_not(tmp_path: Path):
    left, lives = (tmp_path / f".import-2024-06-27-{pid}" for pid in (1, 2))
    (left / "2024-06-27").mkdir(parents=True)
    hold = StoreHold.take(lives)
    import_day([take_in(table(tmp_path))], tmp_path)
    assert (left.exists(), lives.exists(), (tmp_path / "2024-06-27").exists()) == (False, True, True)
    hold.release()


def test_a_failure_half_way_leaves_no_day(tmp_path: Path):
    intake: Intake = take_in(table(tmp_path))

    def fail(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_day([intake], tmp_path / "store", step=fail)
    assert list((tmp_path / "store").iterdir()) == []
