"""One writer of bars at full speed, readers in other processes: no bar they see is parts of two."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.test_ring_across_processes import Process
from tests.ring.implementations import needs_compiled

pytestmark = needs_compiled

READS, SOAK_READS = 300_000, 100_000_000


class BarsProcess(Process):
    module = "tests.conformance.bars_processes"


class Feed:
    """A writer that goes on until it is ended, and whoever reads beside it."""

    def __init__(self, folder: Path, capacity: int) -> None:
        self._folder = folder
        self._started: list[BarsProcess] = []
        self.writer = self.start("write", capacity=capacity)

    def start(self, role: str, **how: object) -> BarsProcess:
        self._started.append(BarsProcess(role, self._folder, **how))
        self._started[-1].ready()
        return self._started[-1]

    def go(self) -> None:
        for process in self._started:
            process.go()

    def end(self) -> None:
        for process in self._started:
            process.end()


@pytest.fixture
def feed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Feed]:
    one = Feed(tmp_path, request.param)
    yield one
    one.end()


def nothing_torn(feed: Feed, folder: Path, reads: int) -> None:
    readers = [feed.start("watch", enough=reads), feed.start("read", enough=reads)]
    began_s = time.monotonic()
    feed.go()
    watched, read = (reader.result() for reader in readers)
    (folder / "enough").touch()
    print(f"\n{feed.writer.result()} written in {time.monotonic() - began_s:.1f} s; forming {watched}, closed {read}")
    assert (watched["wrong"], read["wrong"]) == (0, 0)
    assert min(watched["rows"], read["rows"]) >= reads
    assert watched["partial"] + read["partial"] < reads / 2


@pytest.mark.parametrize("feed", [1024], indirect=True)
def test_many_bars_of_either_kind_and_none_torn(feed: Feed, tmp_path: Path):
    nothing_torn(feed, tmp_path, READS)


@pytest.mark.soak
@pytest.mark.parametrize("feed", [64, 1024, 65_536], indirect=True)
def test_a_hundred_million_and_none_torn(feed: Feed, tmp_path: Path):
    nothing_torn(feed, tmp_path, SOAK_READS)


@pytest.mark.parametrize("feed", [64], indirect=True)
def test_a_reader_that_ignores_version_and_intent_sees_torn_bars(feed: Feed, tmp_path: Path):
    """Shows that the test above would see them, and what keeps readers from them."""
    reader = feed.start("watch_heedlessly", enough=10, seconds=60)
    feed.go()
    found = reader.result()
    (tmp_path / "enough").touch()
    print(f"\n{found}")
    assert min(found["forming"], found["closed"]) >= 10
