"""What is said of recordings."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from kitecli.market.gap import Gap
from kitecli.store.recovery import Examination, Hole, Stretch, Verdict
from kitecli.store.scanning import Place
from kitecli.terminal.recordings import (
    byte_progress,
    count_progress,
    findings,
    gap_dict,
    gap_rows,
    pairs_of,
    verdict_dict,
    verdict_row,
)
from tests.archive.stores import START_NS


def test_an_outage_is_a_row_and_one_that_lasts_says_so():
    ended = Gap(1, (5, 6), START_NS, START_NS + 2 * 10**9, "cut")
    lasting = Gap(0, (), START_NS, None, "nothing was recording")
    assert list(gap_rows([ended, lasting])) == [
        ("09:15:00.000", "09:15:02.000", "2.0 s", "1", "2", "cut"),
        ("09:15:00.000", "lasts", "lasts", "0", "any", "nothing was recording"),
    ]
    assert gap_dict(ended)["tokens"] == [5, 6]


def verdict(*numbers: tuple[int, int]) -> Verdict:
    """Of a file whose whole stretches hold these numbers."""
    places = [(Place(first * 100, first, START_NS), Place(end * 100, end, START_NS)) for first, end in numbers]
    stretches = tuple(Stretch(start, end, end.number - start.number) for start, end in places)
    return Verdict(Path("0003.kseg"), Examination(Path("0003.kseg"), 5_000, stretches, 7, ended=False))


def test_a_verdict_names_the_lost_range():
    damaged = verdict((0, 10), (12, 50))
    assert verdict_row(damaged)[:4] == ("0003.kseg", "damaged", "48", "5.0 kB")
    lost, torn = findings(damaged)
    assert lost == ("bytes 1,000 to 1,200: records 10 to 11 lost, received between 09:15:00.000 and 09:15:00.000 IST")
    assert "last 7 bytes" in torn
    told = verdict_dict(damaged)
    assert told["lost"] == [
        {"offset": 1000, "size": 200, "first": 10, "until": 12, "from_ns": START_NS, "to_ns": START_NS}
    ]
    assert verdict_dict(verdict((0, 10)))["verdict"] == "sound"


def test_a_hole_without_records_and_a_file_without_its_forerunner():
    from kitecli.terminal.recordings import hole_text

    assert hole_text(Hole(8, 16, 3, 3, 0, 0)) == "bytes 8 to 24: no record lost"
    found = verdict((0, 10)).found
    missing = Verdict(Path("0003.kseg"), found, missing=12_000)
    assert "12,000 records" in next(findings(missing))


def test_nested_facts_are_rows():
    facts = {"day": "2026-11-20", "settings": {"a_s": 0.5}, "files": [{"n": 1}, {"n": None}], "first_ns": START_NS}
    assert list(pairs_of({**facts, "tokens": [1, 2], "exact": 2**60, "count": 123_456})) == [
        ("day", "2026-11-20"),
        ("settings.a_s", "0.5"),
        ("files.1.n", "1"),
        ("files.2.n", ""),
        ("first_ns", "2026-11-20 09:15:00.000 IST"),
        ("tokens", "1, 2"),
        ("exact", str(2**60)),
        ("count", "1,23,456"),
    ]


@pytest.mark.parametrize("bar", [byte_progress, count_progress])
def test_progress_is_for_terminals(bar):
    for terminal in (False, True):
        out = io.StringIO()
        with bar(Console(file=out, force_terminal=terminal, width=100), "verifying", 2_000_000) as step:
            step(1_000_000)
            step(1_000_000)
        assert bool(out.getvalue()) == terminal
        assert ("verifying" in out.getvalue()) == terminal
