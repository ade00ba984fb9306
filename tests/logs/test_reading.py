"""What kite logs shows: files in order, lines that are wanted, and what comes, through rotations."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from kitecli.clock import IST
from kitecli.errors import UsageError
from kitecli.logs.files import LogFiles
from kitecli.logs.lines import JsonLines
from kitecli.logs.reading import Wanted, follow, read, wanted_of

NOW = datetime(2026, 2, 20, 12, 0, tzinfo=IST)


def line(what: str, *, component: str = "feed", level: int = logging.INFO, at: datetime = NOW) -> str:
    record = logging.LogRecord(f"kitecli.{component}", level, "", 0, what, (), None)
    record.created = at.timestamp()
    return JsonLines("r").format(record)


def test_files_are_read_oldest_first_and_only_what_is_wanted(tmp_path: Path):
    files = LogFiles(tmp_path, 400, 9)
    for number in range(12):
        component, level = ("feed", logging.WARNING) if number % 2 else ("sim", logging.INFO)
        files.append(line(str(number), component=component, level=level, at=NOW + timedelta(minutes=number)))
    files.append("half a li")
    assert len(list(tmp_path.glob("kite.log*"))) > 3
    assert [one.what for one in read(tmp_path, Wanted())] == [str(number) for number in range(12)]
    assert [one.what for one in read(tmp_path, Wanted(level="warning"))] == ["1", "3", "5", "7", "9", "11"]
    assert [one.what for one in read(tmp_path, Wanted(components=frozenset({"sim"})))] == ["0", "2", "4", "6", "8", "10"]
    assert [one.what for one in read(tmp_path, Wanted(since=NOW + timedelta(minutes=10)))] == ["10", "11"]


def test_no_log_is_no_lines(tmp_path: Path):
    assert list(read(tmp_path / "none", Wanted())) == []


class Ended(Exception):  # noqa: N818 - it is none
    pass


def collected(folder: Path, steps: Iterator[object]) -> list[str]:
    """What is seen by who follows while ``steps`` are done, one at each wait, until there are none."""
    seen: list[str] = []

    def wait() -> None:
        if next(steps, Ended) is Ended:
            raise Ended

    with pytest.raises(Ended):
        for one in follow(folder, Wanted(), wait):
            seen.append(one.what)
    return seen


@pytest.mark.parametrize("between", [1, 3, 9])
def test_who_follows_sees_each_line_once_whatever_is_put_aside(tmp_path: Path, between: int):
    """Files of two lines each; ``between`` lines come between two looks."""
    files = LogFiles(tmp_path, 300, 20)
    files.append(line("before"))

    def steps() -> Iterator[None]:
        for number in range(18):
            files.append(line(str(number)))
            if number % between == between - 1:
                yield

    assert collected(tmp_path, steps()) == ["before", *(str(number) for number in range(18))]


def test_half_a_line_is_waited_for(tmp_path: Path):
    whole = line("in two parts").encode() + b"\n"

    def steps() -> Iterator[None]:
        (tmp_path / "kite.log").write_bytes(whole[:30])
        yield
        (tmp_path / "kite.log").write_bytes(whole)
        yield

    assert collected(tmp_path, steps()) == ["in two parts"]


def test_one_can_follow_a_log_that_isn_t_there_yet(tmp_path: Path):
    files = LogFiles(tmp_path / "logs", 10_000, 1)

    def steps() -> Iterator[None]:
        yield
        files.append(line("first"))
        yield

    assert collected(tmp_path / "logs", steps()) == ["first"]


def test_a_look_can_be_left(tmp_path: Path):
    files = LogFiles(tmp_path, 10_000, 1)
    for number in range(5):
        files.append(line(str(number)))
    looking = follow(tmp_path, Wanted(), lambda: None)
    assert [one.what for one in islice(looking, 2)] == ["0", "1"]
    looking.close()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10m", NOW - timedelta(minutes=10)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("90s", NOW - timedelta(seconds=90)),
        ("09:15", datetime(2026, 2, 20, 9, 15, tzinfo=IST)),
        ("09:15:30", datetime(2026, 2, 20, 9, 15, 30, tzinfo=IST)),
        ("2026-02-19T15:00", datetime(2026, 2, 19, 15, 0, tzinfo=IST)),
        ("2026-02-19", datetime(2026, 2, 19, tzinfo=IST)),
        ("2026-02-19T10:00+00:00", datetime(2026, 2, 19, 15, 30, tzinfo=IST)),
        ("", None),
    ],
)
def test_since_is_a_span_a_time_or_a_day(text: str, moment: datetime | None):
    assert wanted_of("info", [], text, NOW).since == moment


@pytest.mark.parametrize(
    ("level", "components", "since"), [("loud", [], ""), ("info", ["fed"], ""), ("info", [], "noon"), ("info", [], "m")]
)
def test_what_there_isn_t_is_refused_with_the_choice(level: str, components: list[str], since: str):
    with pytest.raises(UsageError) as refusal:
        wanted_of(level, components, since, NOW)
    assert refusal.value.hint
