"""Never more calls in a second than allowed, whoever calls, dies or restarts in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitecli.broker import pace
from kitecli.broker.pace import WINDOW_S, SharedPace, admit, pace_file
from kitecli.broker.rest import BrokerSession
from kitecli.clock import NS_PER_S, ManualClock
from kitecli.errors import EnvironmentProblem
from kitecli.ring.locks import lock

LIMIT = 3


def most_in_a_second(calls: list[int], window_ns: int = NS_PER_S) -> int:
    calls = sorted(calls)
    return max((sum(at <= other < at + window_ns for other in calls) for at in calls), default=0)


@given(st.lists(st.integers(0, 5 * NS_PER_S), max_size=5), st.integers(0, 5 * NS_PER_S))
def test_a_turn_is_given_exactly_when_fewer_were_made_in_the_window(calls: list[int], now_ns: int):
    window = NS_PER_S
    wait_ns, kept = admit(calls, now_ns, LIMIT, window)
    counting = [at for at in calls if now_ns - window < at <= now_ns + window]
    assert (wait_ns == 0) == (len(counting) < LIMIT)
    if wait_ns:
        assert 0 < wait_ns <= 2 * window
        assert admit(kept, now_ns + wait_ns, LIMIT, window)[0] == 0
        assert admit(kept, now_ns + wait_ns - 1, LIMIT, window)[0] > 0


@given(
    pauses=st.lists(st.lists(st.floats(0, 2), min_size=5, max_size=30), min_size=4, max_size=4),
    late=st.lists(st.floats(0, 0.3), min_size=8, max_size=8),
)
def test_four_processes_never_make_more_than_three_in_any_second(pauses: list[list[float]], late: list[float]):
    """Time is virtual: whoever is next in time looks, and wakes as late as a busy machine lets him."""
    clock = ManualClock(1000 * NS_PER_S)
    with tempfile.TemporaryDirectory() as folder:
        callers = [SharedPace(Path(folder) / "p", LIMIT, now_ns=clock.now_ns) for _ in pauses]
        wakes, calls, looks = [clock.now_ns()] * len(callers), [], 0
        while any(pauses):
            one = min((at, number) for number, at in enumerate(wakes) if pauses[number])[1]
            clock.set(max(clock.now_ns(), wakes[one]))
            at_ns, wait_ns = callers[one].look()
            looks += 1
            assert looks < 5000, "somebody waits for ever"
            if wait_ns:
                wakes[one] = clock.now_ns() + wait_ns + round(late[looks % len(late)] * NS_PER_S)
            else:
                calls.append(at_ns)
                wakes[one] = clock.now_ns() + round(pauses[one].pop() * NS_PER_S)
    assert most_in_a_second(calls) <= LIMIT


def test_the_limit_is_used_up(tmp_path: Path):
    clock = ManualClock(5 * NS_PER_S)
    one = SharedPace(tmp_path / "p", LIMIT, now_ns=clock.now_ns, wait=clock.advance)
    calls = [one.turn() for _ in range(31)]
    assert calls[-1] - calls[0] == pytest.approx(10 * WINDOW_S * NS_PER_S)
    assert most_in_a_second(calls) == LIMIT


@pytest.mark.parametrize("left", [b"", b"\0", b"x" * 7, b"x" * 400, (2**62).to_bytes(8, "little") * 3])
def test_what_a_crash_or_another_boot_left_delays_by_a_window_at_most(tmp_path: Path, left: bytes):
    (tmp_path / "p").write_bytes(left)
    clock = ManualClock(NS_PER_S)
    one = SharedPace(tmp_path / "p", LIMIT, now_ns=clock.now_ns, wait=clock.advance)
    calls = [one.turn() for _ in range(7)]
    assert calls[0] <= round((1 + WINDOW_S) * NS_PER_S)
    assert most_in_a_second(calls) == LIMIT
    if len(left) in (7, 400):  # it may have held three calls of just now
        assert calls[0] > NS_PER_S


def test_after_a_restart_of_the_machine_its_clock_begins_again(tmp_path: Path):
    clock = ManualClock(10**6 * NS_PER_S)
    one = SharedPace(tmp_path / "p", LIMIT, now_ns=clock.now_ns, wait=clock.advance)
    for _ in range(3):
        one.turn()
    clock.set(NS_PER_S)
    assert [one.turn() for _ in range(3)] == [NS_PER_S] * 3


CALLER = """
import json, sys
from pathlib import Path
from kitecli.broker.pace import SharedPace
one = SharedPace(Path(sys.argv[1]), 3, window_s=float(sys.argv[2]))
print(json.dumps([one.turn() for _ in range(int(sys.argv[3]))]))
"""


def test_four_real_processes_share_one_limit(tmp_path: Path):
    window_s, each = 0.05, 20
    command = [sys.executable, "-c", CALLER, str(tmp_path / "p"), str(window_s), str(each)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    calls = sorted(at for one in running for at in json.loads(one.communicate(timeout=60)[0]))
    assert len(calls) == 4 * each
    window_ns = round(window_s * NS_PER_S)
    assert all(later - earlier >= window_ns for earlier, later in zip(calls, calls[LIMIT:], strict=False))
    assert any(later - earlier < window_ns // 2 for earlier, later in pairwise(calls))


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_who_is_killed_with_the_lock_keeps_nobody_waiting(tmp_path: Path):
    holding = (
        "import os, sys, time; from kitecli.ring.locks import lock\n"
        f"lock(os.open({str(tmp_path / 'p')!r}, os.O_RDWR | os.O_CREAT), wait=True); print(flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", holding], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert SharedPace(tmp_path / "p", LIMIT).turn() > 0


def test_a_lock_that_stays_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pace, "PATIENCE_S", 0.02)
    descriptor = os.open(tmp_path / "p", os.O_RDWR | os.O_CREAT)
    assert lock(descriptor, wait=False)
    with pytest.raises(EnvironmentProblem, match="stays locked"):
        SharedPace(tmp_path / "p", LIMIT).turn()
    os.close(descriptor)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(EnvironmentProblem, match="can't be opened") as raised:
        SharedPace(tmp_path / "none" / "p", LIMIT).turn()
    assert "KITE_RUNTIME_DIR" in raised.value.hint


def test_each_account_has_its_own_count_and_its_name_hides_the_key(tmp_path: Path):
    accounts = [BrokerSession(root, key) for root in ("https://a", "https://b") for key in ("secret-1", "secret-2")]
    names = {pace_file(tmp_path, session).name for session in accounts}
    assert len(names) == 4
    assert not any("secret" in name for name in names)
    simulated = {pace_file(tmp_path, BrokerSession("http://127.0.0.1:99", key)).name for key in ("k1", "k2")}
    assert simulated == {"historical-sim.pace"}
