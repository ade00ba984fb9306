from __future__ import annotations

import os
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kitecli.errors import DataError, EnvironmentProblem
from kitecli.ring.bell import UNWOKEN_WAIT_S
from kitecli.ring.policy import Policy
from kitecli.ring.seats import SEATS, Seat, SeatedReader, SeatKeeper, SeatMap
from tests.ring.implementations import LONG_S, woken

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="readers sleep in named pipes, which this lacks")

SITTER = """
import sys, time
from pathlib import Path
from kitecli.ring.seats import Seat
seat = Seat.take(Path(sys.argv[1]))
print("sitting", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feed.seats"


@pytest.fixture
def keeper(path: Path) -> Iterator[SeatKeeper]:
    keeper = SeatKeeper(path)
    yield keeper
    keeper.close()


@pytest.fixture
def sitter(keeper: SeatKeeper, path: Path) -> Iterator[subprocess.Popen[str]]:
    """A reader in another process, in its seat."""
    process = subprocess.Popen([sys.executable, "-c", SITTER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "sitting\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def pids(keeper: SeatKeeper) -> list[int]:
    return [reader.pid for reader in keeper.readers()]


def test_nobody_sits_at_first_and_nothing_changes_by_itself(keeper: SeatKeeper):
    assert keeper.refresh() == []
    assert keeper.refresh() is None


def test_a_reader_is_woken_once_the_writer_has_looked(keeper: SeatKeeper, path: Path):
    seat = Seat.take(path)
    assert not seat.attached()
    [(offset, descriptor)] = keeper.refresh() or []
    assert seat.attached()
    assert offset == seat.waiting_offset
    os.write(descriptor, b"w")
    with woken():
        seat.block(LONG_S)
    assert keeper.refresh() is None
    seat.leave()


def test_what_a_reader_reports_is_what_the_writer_reads(keeper: SeatKeeper, path: Path):
    seat = Seat.take(path)
    seat.begin(100, Policy.LATEST)
    [reader] = keeper.readers()
    assert reader == SeatedReader(os.getpid(), Policy.LATEST, 100, 100, 0, 0, 0)
    seat.report(700, 200, 30)
    [reader] = keeper.readers()
    assert reader == SeatedReader(os.getpid(), Policy.LATEST, 100, 700, 370, 200, 30)
    seat.leave()


def test_a_position_is_never_seen_half_written(keeper: SeatKeeper, path: Path):
    """Or the writer's statistics would show a reader that keeps up as one far behind, now and then."""
    code = (
        "import sys; from pathlib import Path; from kitecli.ring.seats import Seat\n"
        "seat = Seat.take(Path(sys.argv[1])); seat.report(1 << 40, 1 << 41, 1 << 42); print(flush=True)\n"
        "while True:\n"
        "    for at in range(1000): seat.report((1 << 40) + at, (1 << 41) + at, (1 << 42) + at)"
    )
    reader = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert reader.stdout is not None
    reader.stdout.readline()
    rows = [keeper.readers() for _ in range(20_000)]
    reader.kill()
    reader.wait()
    reader.stdout.close()
    for name, least in (("position", 1 << 40), ("conflated", 1 << 41), ("lost", 1 << 42)):
        assert all(least <= getattr(row, name) < least + 1000 for [row] in rows), name


def test_whoever_sits_down_starts_afresh(keeper: SeatKeeper, path: Path):
    """A killed sleeper leaves its flag up, and one killed while it left may leave more."""
    former = SeatMap(path)
    former.seats[0] = (0, 1, 5, 1, 1, 5, 5, 5, 2)
    seat = Seat.take(path)
    assert former.seats[0].tolist() == (1, os.getpid(), 0, 0, 0, 0, 0, 0, 0)
    former.close()
    seat.leave()


def test_a_seat_given_back_is_free_and_its_pipe_gone(keeper: SeatKeeper, path: Path):
    seat = Seat.take(path)
    keeper.refresh()
    seat.leave()
    seat.leave()
    assert keeper.refresh() == []
    assert pids(keeper) == []
    assert {found.name for found in path.parent.iterdir()} == {path.name, "feed.seats.life"}


def test_a_seat_that_changed_hands_between_two_looks_belongs_to_its_new_taker(keeper: SeatKeeper, path: Path):
    former = Seat.take(path)
    keeper.refresh()
    former.leave()
    latter = Seat.take(path)
    assert latter.waiting_offset == former.waiting_offset
    for _ in range(3):
        keeper.refresh()
    assert latter.attached()
    assert pids(keeper) == [os.getpid()]
    latter.leave()


def test_a_reader_of_a_former_feed_leaves_the_seats_of_the_new_one_alone(path: Path):
    former_feed = SeatKeeper(path)
    former = Seat.take(path)
    former_feed.refresh()
    with_new = SeatKeeper(path)  # the former one was killed: nobody removed its files
    latter = Seat.take(path)
    former.leave()
    with_new.refresh()
    assert latter.attached()
    latter.leave()
    former_feed.close()
    with_new.close()


def test_the_sixty_fifth_reader_is_told_and_finds_room_when_one_leaves(keeper: SeatKeeper, path: Path):
    seats = [Seat.take(path) for _ in range(SEATS)]
    assert len(keeper.refresh() or []) == SEATS
    with pytest.raises(EnvironmentProblem, match=f"All {SEATS} reader seats of this ring are taken"):
        Seat.take(path)
    seats.pop(7).leave()
    seats.append(Seat.take(path))
    assert len(keeper.refresh() or []) == SEATS
    for seat in seats:
        seat.leave()


def test_a_killed_reader_s_seat_is_released(keeper: SeatKeeper, sitter: subprocess.Popen[str], path: Path):
    assert len(keeper.refresh() or []) == 1
    assert pids(keeper) == [sitter.pid]
    sitter.send_signal(signal.SIGKILL)
    sitter.wait()
    assert keeper.refresh() == []
    assert pids(keeper) == []


def test_a_reader_killed_before_the_writer_saw_it_is_released(
    keeper: SeatKeeper, sitter: subprocess.Popen[str], path: Path
):
    sitter.send_signal(signal.SIGKILL)
    sitter.wait()
    assert keeper.refresh() == []
    assert pids(keeper) == []
    seat = Seat.take(path)
    assert len(keeper.refresh() or []) == 1
    seat.leave()


def test_a_stopped_reader_delays_neither_the_writer_nor_another_s_seat(
    keeper: SeatKeeper, sitter: subprocess.Popen[str], path: Path
):
    sitter.send_signal(signal.SIGSTOP)
    assert len(keeper.refresh() or []) == 1
    seat = Seat.take(path)
    assert len(keeper.refresh() or []) == 2
    seat.leave()


def test_the_writer_never_waits_for_the_lock(keeper: SeatKeeper, path: Path):
    keeper.refresh()
    seat = Seat.take(path)
    in_the_way = SeatMap(path)
    with in_the_way.locked() as held:
        assert held
        assert keeper.refresh() is None
        assert not seat.attached()
    assert len(keeper.refresh() or []) == 1
    in_the_way.close()
    seat.leave()


def test_the_lock_keeps_others_out_and_goes_with_its_holder(keeper: SeatKeeper, path: Path):
    ours, theirs = SeatMap(path), SeatMap(path)
    with ours.locked(), theirs.locked(wait=False) as held:
        assert not held
    with theirs.locked(wait=False) as held:
        assert held
    ours.close()
    theirs.close()


def test_a_reader_whose_writer_is_gone_sleeps_instead_of_spinning(path: Path):
    keeper = SeatKeeper(path)
    seat = Seat.take(path)
    keeper.refresh()
    keeper.close()
    with woken():
        seat.block(LONG_S)  # the lifeline says at once that nobody holds it
    assert seat.writer_gone
    before = time.monotonic()
    with woken():
        seat.block(LONG_S)
    assert time.monotonic() - before >= UNWOKEN_WAIT_S * 0.9
    seat.leave()


KEEPER = """
import sys, time
from pathlib import Path
from kitecli.ring.seats import SeatKeeper
keeper = SeatKeeper(Path(sys.argv[1]))
print("ready", flush=True)
while not (sys.argv[2] == "looks" and keeper.refresh()):
    time.sleep(0.01)
print("seen", flush=True)
time.sleep(60)
"""


@pytest.fixture
def keeping(path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a writer's keeper in another process, one that looks for readers or one that never gets to it."""
    started = []

    def start(how: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", KEEPER, str(path), how], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_writer_s_death_wakes_its_readers(keeping: Callable[[str], subprocess.Popen[str]], path: Path):
    writer = keeping("looks")
    seat = Seat.take(path)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "seen\n"
    assert seat.attached()
    assert not seat.writer_gone
    writer.kill()
    with woken():
        while not seat.writer_gone:  # the kernel closes the dead one's end of the bell a moment before its lifeline
            seat.block(LONG_S)
    seat.leave()


def test_the_death_of_a_writer_that_never_noticed_its_reader_is_seen(
    keeping: Callable[[str], subprocess.Popen[str]], path: Path
):
    writer = keeping("doesn't look")
    seat = Seat.take(path)
    with woken():
        seat.block(LONG_S)
    assert not seat.writer_gone
    writer.kill()
    writer.wait()
    assert seat.writer_gone
    assert not seat.attached()
    seat.leave()


def test_seats_a_dead_writer_left_behind_are_known_as_such(keeping: Callable[[str], subprocess.Popen[str]], path: Path):
    writer = keeping("looks")
    writer.kill()
    writer.wait()
    seat = Seat.take(path)
    assert seat.writer_gone
    seat.leave()
    path.with_name("feed.seats.life").unlink()
    seat = Seat.take(path)
    assert seat.writer_gone
    seat.leave()


def test_only_its_owner_may_open_seats_and_pipes(keeper: SeatKeeper, path: Path):
    seat = Seat.take(path)
    assert {stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()} == {0o600}
    seat.leave()


def test_what_is_no_seats_file_is_refused_in_words(path: Path):
    with pytest.raises(DataError, match="No reader seats"):
        Seat.take(path)
    for wrong in (b"", b"KITESEAT", bytes(4096 + 128 * SEATS)):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match="holds no reader seats"):
            Seat.take(path)


def test_without_room_for_the_seats_that_is_said_and_no_file_of_them_stays(path: Path):
    import resource

    _, hard = former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(EnvironmentProblem, match=r"can't be kept in .*\. File too large"):
            SeatKeeper(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert not path.exists()


def test_without_room_for_a_reader_s_pipe_that_is_said_and_the_seat_stays_free(keeper: SeatKeeper, path: Path):
    path.with_name("feed.seats.00").mkdir()
    with pytest.raises(EnvironmentProblem, match="can't be kept in"):
        Seat.take(path)
    path.with_name("feed.seats.00").rmdir()
    Seat.take(path).leave()
    assert pids(keeper) == []


def test_closing_removes_the_files_and_tells_the_sleepers(path: Path):
    keeper = SeatKeeper(path)
    seat = Seat.take(path)
    keeper.refresh()
    keeper.close()
    assert list(path.parent.iterdir()) == []
    poller = select.poll()
    poller.register(seat.bell.descriptor, select.POLLIN)
    assert poller.poll(0)
    seat.leave()
