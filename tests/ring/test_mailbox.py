"""Mailboxes of both kinds; between processes only the compiled one may be used, and is here."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from mmap import mmap
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kitecli.errors import DataError
from kitecli.ring.mailbox import DATA_OFFSET, POPPED_OFFSET, PUSHED_OFFSET, Inbox, Mailbox, Outbox
from tests.ring.implementations import LONG_S, needs_compiled, woken

CAPACITY = 64
needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="sleepers are woken through named pipes")


def compiled() -> Any:
    from kitecli.hot import _hot

    return _hot.Mailbox


KINDS = [pytest.param(lambda: Mailbox, id="reference"), pytest.param(compiled, id="compiled", marks=needs_compiled)]
BOTH = pytest.mark.parametrize("kind", KINDS)


def blank(capacity: int = CAPACITY) -> mmap:
    buffer = mmap(-1, DATA_OFFSET + capacity)
    buffer[:16] = struct.pack("<8sII", b"KITEMAIL", 1, capacity)
    return buffer


@BOTH
def test_what_is_pushed_is_popped_in_its_order(kind: Any):
    box = kind()(blank())
    assert box.pop() is None
    assert box.push(b"one")
    assert box.push(b"")
    assert box.push(b"three is longer than eight")
    assert [box.pop() for _ in range(4)] == [b"one", b"", b"three is longer than eight", None]


@BOTH
def test_a_full_mailbox_says_so_and_keeps_what_it_has(kind: Any):
    box = kind()(blank())
    assert [box.push(bytes([at]) * 8) for at in range(6)] == [True] * 4 + [False] * 2
    assert box.pop() == bytes(8)
    assert not box.push(b"nine bytes")
    assert box.push(b"eight by")
    assert [box.pop() for _ in range(5)] == [b"\x01" * 8, b"\x02" * 8, b"\x03" * 8, b"eight by", None]


@BOTH
def test_a_message_may_fill_it_all_and_no_more(kind: Any):
    box = kind()(blank())
    assert box.push(b"x" * 56)
    assert not box.push(b"")
    assert box.pop() == b"x" * 56
    with pytest.raises(ValueError, match="57 bytes never fits into a mailbox of 64"):
        box.push(b"x" * 57)


@BOTH
def test_messages_run_over_the_memory_s_end(kind: Any):
    box = kind()(blank())
    for round_ in range(200):
        message = bytes(range(round_ % 50))
        assert box.push(message)
        assert box.pop() == message


@BOTH
def test_whoever_has_something_to_pop_is_not_put_to_sleep_and_is_woken_once(kind: Any):
    box = kind()(blank())
    assert not box.take_waiting()
    assert box.announce_sleep()
    box.push(b"x")
    assert not box.announce_sleep()
    assert box.take_waiting()
    assert not box.take_waiting()


@BOTH
@pytest.mark.parametrize("wrong", ["text", None, 5])
def test_only_bytes_are_messages(kind: Any, wrong: Any):
    with pytest.raises(TypeError):
        kind()(blank()).push(wrong)


@BOTH
@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (DATA_OFFSET, struct.pack("<I", 7)),
        (DATA_OFFSET, struct.pack("<I", 0xFFFFFFFF)),
        (DATA_OFFSET, bytes(8)),
        (DATA_OFFSET + 4, b"?"),
        (DATA_OFFSET, struct.pack("<II", 50, 50 ^ 0x4D41494C)),  # sealed, but longer than what was pushed
        (PUSHED_OFFSET, struct.pack("<q", -8)),
        (PUSHED_OFFSET, struct.pack("<q", 3)),
        (PUSHED_OFFSET, struct.pack("<q", 72)),
        (POPPED_OFFSET, struct.pack("<q", 24)),
        (POPPED_OFFSET, struct.pack("<q", 4)),
        (POPPED_OFFSET, struct.pack("<q", 1 << 40)),
    ],
)
def test_what_was_never_pushed_is_told_and_not_followed(kind: Any, offset: int, value: bytes):
    buffer = blank()
    box = kind()(buffer)
    box.push(b"abc")
    buffer[offset : offset + len(value)] = value
    for _ in range(2):
        with pytest.raises(DataError, match="damaged"):
            box.pop()


@BOTH
def test_a_pusher_is_told_of_a_count_that_can_t_be(kind: Any):
    buffer = blank()
    box = kind()(buffer)
    buffer[POPPED_OFFSET : POPPED_OFFSET + 8] = struct.pack("<q", 800)
    with pytest.raises(DataError, match="damaged"):
        box.push(b"abc")


@BOTH
def test_what_is_no_mailbox_is_refused(kind: Any):
    for wrong in (mmap(-1, 8), mmap(-1, DATA_OFFSET + 64), blank(128)):
        if len(wrong) == DATA_OFFSET + 128:
            wrong[12:16] = struct.pack("<I", 1 << 30)
        with pytest.raises(DataError, match="Not a mailbox"):
            kind()(wrong)


MESSAGES = st.binary(max_size=70)
STEPS = st.lists(st.one_of(st.tuples(st.just("push"), MESSAGES), st.tuples(st.sampled_from(["pop", "sleep", "wake"]))))
DAMAGE = st.tuples(
    st.just("damage"),
    st.sampled_from(
        [PUSHED_OFFSET, PUSHED_OFFSET + 5, POPPED_OFFSET, POPPED_OFFSET + 1, *range(DATA_OFFSET, DATA_OFFSET + 16)]
    ),
    st.integers(0, 255),
)


@needs_compiled
@settings(max_examples=120)
@given(STEPS, st.sampled_from([0, 8, 1 << 31, (1 << 32) - 8, (1 << 40) + 16]))
def test_the_reference_and_the_compiled_one_leave_the_same_memory(steps: list[tuple], start: int):
    """Each takes over where the other left off, too."""
    buffers = [blank(), blank()]
    for buffer in buffers:
        for offset in (PUSHED_OFFSET, POPPED_OFFSET):
            buffer[offset : offset + 8] = struct.pack("<q", start)
    boxes = [[make(buffer) for make in (Mailbox, compiled())] for buffer in buffers]
    for number, step in enumerate(steps):
        first, second = boxes[0][0], boxes[1][1]
        if number % 5 == 4:
            first, second = boxes[0][1], boxes[1][0]
        assert _taken(first, *step) == _taken(second, *step)
        assert buffers[0][:] == buffers[1][:]


@needs_compiled
@settings(max_examples=120)
@given(STEPS, st.lists(st.one_of(DAMAGE, st.tuples(st.just("push"), MESSAGES), st.tuples(st.just("pop"))), min_size=3))
def test_both_say_the_same_of_a_damaged_mailbox(sound: list[tuple], steps: list[tuple]):
    buffers = [blank(), blank()]
    boxes = [Mailbox(buffers[0]), compiled()(buffers[1])]
    for what, *how in sound + steps:
        if what == "damage":
            for buffer in buffers:
                buffer[how[0]] = how[1]
        else:
            assert _taken(boxes[0], what, *how) == _taken(boxes[1], what, *how)
        assert buffers[0][:] == buffers[1][:]


def _taken(box: Any, what: str, *message: bytes) -> Any:
    act = {"push": box.push, "pop": box.pop, "sleep": box.announce_sleep, "wake": box.take_waiting}[what]
    try:
        return act(*message)
    except (ValueError, DataError) as refusal:
        return type(refusal)


# Between two sides


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "intents"


@pytest.fixture
def sides(path: Path) -> Iterator[tuple[Outbox, Inbox]]:
    from kitecli.hot import Mailbox as Served

    outbox = Outbox(path, Served, 4096)
    inbox = Inbox(path, Served)
    yield outbox, inbox
    inbox.close()
    outbox.close()


def test_a_message_goes_over(sides: tuple[Outbox, Inbox]):
    outbox, inbox = sides
    assert inbox.pop() is None
    outbox.push(b"hello")
    with woken():
        inbox.wait(LONG_S)  # there is something already
    assert inbox.pop() == b"hello"


@needs_pipes
def test_a_sleeper_is_woken(sides: tuple[Outbox, Inbox]):
    outbox, inbox = sides
    for message in (b"first", b"second"):
        pushing = threading.Timer(0.05, outbox.push, [message])
        pushing.start()
        with woken():
            while (got := inbox.pop()) is None:
                inbox.wait(LONG_S)
        pushing.join()
        assert got == message


@needs_pipes
def test_a_later_popper_is_woken_too(sides: tuple[Outbox, Inbox], path: Path):
    from kitecli.hot import Mailbox as Served

    outbox, popper = sides
    for _ in range(2):
        pushing = threading.Timer(0.05, outbox.push, [b"x"])
        pushing.start()
        with woken():
            popper.wait(LONG_S)
        pushing.join()
        assert popper.pop() == b"x"
        popper.close()
        popper = Inbox(path, Served)
    popper.close()


@needs_pipes
def test_the_end_of_the_other_side_ends_a_wait_and_loses_nothing(sides: tuple[Outbox, Inbox]):
    outbox, inbox = sides
    outbox.push(b"last")
    assert inbox.pop() == b"last"
    outbox.push(b"really last")
    assert not inbox.sender_gone
    closing = threading.Timer(0.05, outbox.close)
    closing.start()
    assert inbox.pop() == b"really last"
    with woken():
        inbox.wait(LONG_S)
    closing.join()
    assert inbox.sender_gone
    assert inbox.pop() is None


def test_closing_removes_the_files(sides: tuple[Outbox, Inbox], path: Path):
    outbox, inbox = sides
    inbox.close()
    outbox.close()
    assert list(path.parent.iterdir()) == []


def test_what_is_no_mailbox_file_is_refused_in_words(path: Path):
    for make_wrong in (lambda: None, lambda: path.write_bytes(b""), lambda: path.write_bytes(bytes(10_000))):
        make_wrong()
        with pytest.raises(DataError, match="mailbox"):
            Inbox(path, Mailbox)


def test_a_mailbox_is_its_owner_s_alone(sides: tuple[Outbox, Inbox], path: Path):
    assert {found.stat().st_mode & 0o777 for found in path.parent.iterdir()} == {0o600}


PUSHER = """
import json, sys, time
from pathlib import Path
from kitecli.hot import Mailbox
from kitecli.ring.mailbox import Outbox
from tests.ring.test_mailbox import numbered
outbox = Outbox(Path(sys.argv[1]), Mailbox, 4096)
print("ready", flush=True)
sys.stdin.readline()
full = 0
for number in range(int(sys.argv[2])):
    while not outbox.push(numbered(number)):
        full += 1
        time.sleep(0)
print(full, flush=True)
sys.stdin.readline()
"""


def numbered(number: int) -> bytes:
    """A message of its own length and contents for each number."""
    return struct.pack("<q", number) + bytes([number * 31 & 0xFF]) * (number * 7 % 97)


@pytest.fixture
def pushing(path: Path) -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    started = []

    def start(count: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PUSHER, str(path), str(count)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def popped_until_gone(inbox: Inbox) -> list[bytes]:
    messages = []
    while True:
        gone = inbox.sender_gone  # asked first: what was pushed before is popped after
        while (message := inbox.pop()) is not None:
            messages.append(message)
        if gone:
            return messages
        inbox.wait(LONG_S)


@needs_compiled
@needs_pipes
@pytest.mark.parametrize("count", [30_000, pytest.param(3_000_000, marks=pytest.mark.soak)])
def test_every_message_between_processes_arrives_whole_and_in_order(pushing: Any, path: Path, count: int):
    process = pushing(count)
    inbox = Inbox(path, compiled())
    go(process)
    began_s, number, slept = time.monotonic(), 0, 0
    while number < count:
        if (message := inbox.pop()) is None:
            slept += 1
            inbox.wait(LONG_S)
        else:
            assert message == numbered(number)
            number += 1
    print(f"\n{count:,} messages in {time.monotonic() - began_s:.1f} s, {slept:,} sleeps")
    assert inbox.pop() is None
    inbox.close()


@needs_compiled
@needs_pipes
@pytest.mark.parametrize("rounds", [3, pytest.param(200, marks=pytest.mark.soak)])
def test_of_a_pusher_killed_at_random_a_beginning_arrives(pushing: Any, path: Path, rounds: int):
    draw, total = Random(11), 0
    for _ in range(rounds):
        process = pushing(10_000_000)
        inbox = Inbox(path, compiled())
        go(process)
        killing = threading.Timer(draw.uniform(0, 0.1), process.kill)
        killing.start()
        with woken():
            messages = popped_until_gone(inbox)
        killing.join()
        assert messages == [numbered(number) for number in range(len(messages))]
        total += len(messages)
        inbox.close()
    print(f"\n{rounds} pushers killed, {total:,} messages whole")
    assert total > 0
