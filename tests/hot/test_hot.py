"""The compiled module as an extension: what it keeps alive, what it refuses, what it leaves behind."""

from __future__ import annotations

import gc
import mmap
import os
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from tests.conformance.vectors import INFY_FULL, INFY_QUOTE, message

_hot = pytest.importorskip("kitecli.hot._hot", reason="the extension isn't built")

LAYOUT = RingLayout.of(64, 64)


def ring():
    memory = RingMemory.private(LAYOUT)
    return memory, _hot.FramePass(memory), _hot.RingView(memory)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_a_message(kind):
    _, writer, view = ring()
    assert writer.ingest(kind(message(INFY_QUOTE)), 5, 1) == 1
    assert view.cursor() == 1


def test_part_of_a_buffer_is_a_message_too():
    """What a socket receives is a view into its buffer."""
    _, writer, view = ring()
    received = memoryview(b"header" + message(INFY_QUOTE) + b"rest")
    assert writer.ingest(received[6:-4], 5) == 1
    assert view.counters()[1] == len(received) - 10


@pytest.mark.parametrize("wrong", ["text", None, 5, [1, 2]])
def test_what_is_no_bytes_is_refused(wrong):
    _, writer, view = ring()
    with pytest.raises(TypeError):
        writer.ingest(wrong, 5)
    assert view.cursor() == 0


@pytest.mark.parametrize("connection", [-1, 256, 1 << 32])
def test_a_connection_must_fit_its_field(connection: int):
    _, writer, view = ring()
    with pytest.raises(OverflowError):
        writer.ingest(message(INFY_QUOTE), 5, connection)
    assert view.cursor() == 0


def test_a_message_is_not_kept():
    _, writer, _ = ring()
    data = bytearray(message(INFY_QUOTE))
    writer.ingest(data, 5)
    data.append(0)  # raises BufferError while somebody holds it


def test_memory_lives_as_long_as_somebody_looks_at_it():
    memory, writer, view = ring()
    gone = weakref.ref(memory)
    del memory
    gc.collect()
    assert gone() is None
    writer.ingest(message(INFY_FULL), 5)
    ticks = np.zeros(1, TICK_DTYPE)
    del writer
    view.copy(0, 1, ticks, None)
    assert ticks["last_price"][0] == 157370


def test_a_mapping_in_use_can_t_be_closed_under_it():
    memory, writer, _ = ring()
    memory.close()
    assert not memory.buffer.closed
    writer.ingest(message(INFY_QUOTE), 5)


def test_memory_too_small_for_its_layout_is_refused():
    small = SimpleNamespace(buffer=mmap.mmap(-1, 4096), layout=LAYOUT)
    for kind in (_hot.FramePass, _hot.RingView):
        with pytest.raises(ValueError, match="do not fit"):
            kind(small)


def test_a_ring_attached_for_reading_has_no_writer(tmp_path: Path):
    RingMemory.create(tmp_path / "feed.ring", LAYOUT)
    attached = RingMemory.attach(tmp_path / "feed.ring")
    with pytest.raises((BufferError, TypeError)):
        _hot.FramePass(attached)
    assert _hot.RingView(attached).cursor() == 0


def test_a_sleeper_outside_the_page_is_refused_and_the_former_list_stays():
    _, writer, _ = ring()
    page = bytearray(8)
    reading, writing = os.pipe()
    writer.wake(page, [(4, writing)])
    for offset in (-4, 5, 8, 1 << 60):
        with pytest.raises(ValueError, match="do not fit"):
            writer.wake(bytearray(8), [(0, writing), (offset, writing)])
    with pytest.raises((BufferError, TypeError)):
        writer.wake(bytes(8), [])
    page[4] = 1
    writer.ingest(message(INFY_QUOTE), 5)
    assert os.read(reading, 10) == b"w"
    assert page[4] == 0
    writer.ingest(message(INFY_QUOTE), 5)
    os.set_blocking(reading, False)
    with pytest.raises(BlockingIOError):
        os.read(reading, 10)
    os.close(reading)
    os.close(writing)


def test_the_list_of_sleepers_is_replaced_and_its_page_kept():
    _, writer, _ = ring()
    reading, writing = os.pipe()
    page = bytearray(b"\x01" * 8)
    writer.wake(page, [(0, writing)])
    writer.wake(page, [])
    writer.ingest(message(INFY_QUOTE), 5)
    assert page == b"\x01" * 8
    with pytest.raises(BufferError):
        page.append(0)
    os.close(reading)
    os.close(writing)


def test_close_tells_readers_and_wakes_them():
    _, writer, view = ring()
    reading, writing = os.pipe()
    writer.wake(bytearray(b"\x01\x00\x00\x00"), [(0, writing)])
    writer.close()
    assert view.closed()
    assert os.read(reading, 10) == b"w"
    os.close(reading)
    os.close(writing)


def test_nothing_is_left_behind():
    """References and memory of a thousand rings, frames, lists of sleepers and copies."""
    payload, page = message(INFY_FULL, INFY_QUOTE), bytearray(8)
    ticks, depth, sequences = np.zeros(2, TICK_DTYPE), np.zeros(2, DEPTH_DTYPE), np.zeros(2, np.int64)
    held = (payload, page, ticks, depth, sequences)
    reading, writing = os.pipe()

    def once() -> None:
        _, writer, view = ring()
        writer.wake(page, [(0, writing), (4, writing)])
        writer.ingest(payload, 1)
        with pytest.raises(ValueError, match="fit"):
            writer.wake(page, [(9, writing)])
        view.copy(0, 2, ticks, depth)
        view.history(0, 2, ticks, sequences)
        view.snapshot(ticks, depth, sequences)
        view.announce_sleep(page, 0, 0)

    once()
    before = [sys.getrefcount(one) for one in held]
    for _ in range(1000):
        once()
    assert [sys.getrefcount(one) for one in held] == before
    page.append(0)
    os.close(reading)
    os.close(writing)
