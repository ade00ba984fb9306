"""Waiting on an event loop for a ring's next tick."""

import asyncio
import time

import numpy as np
import pytest

from kitecli.gateway.nap import nap
from kitecli.hot import COMPILED, FramePass, RingView
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.reader import RingReader
from kitecli.ring.seats import Seat, SeatKeeper

LONG_S = 20.0


def frame():
    row = np.zeros(1, TICK_DTYPE)
    row["token"], row["mode"] = 257, 1
    return encode_frames(row, np.zeros(1, DEPTH_DTYPE), 1)[0]


@pytest.fixture
def seated(tmp_path):
    """A writer, its seats, and a reader that has one of them and is known to the writer."""
    if not COMPILED:
        pytest.skip("seats need the compiled pass")
    memory = RingMemory.private(RingLayout.of(256, 64))
    writer, keeper = FramePass(memory), SeatKeeper(tmp_path / "a.seats")
    reader = RingReader(RingView(memory), seat=Seat.take(tmp_path / "a.seats"))
    writer.wake(keeper.page, keeper.refresh())
    yield writer, keeper, reader
    reader.close()
    writer.wake(keeper.page, [])
    keeper.close()


def test_a_tick_wakes_it_and_other_tasks_run_meanwhile(seated):
    writer, _, reader = seated

    async def program():
        asyncio.get_running_loop().call_later(0.05, writer.ingest, frame(), 1)
        began = time.monotonic()
        while reader.poll() is None:
            await nap(reader, LONG_S)
        return time.monotonic() - began

    assert asyncio.run(program()) < LONG_S / 2


def test_it_ends_in_time(seated):
    _, _, reader = seated
    asyncio.run(asyncio.wait_for(nap(reader, 0.01), LONG_S))


def test_what_is_there_already_is_not_waited_for(seated):
    writer, _, reader = seated
    writer.ingest(frame(), 1)
    asyncio.run(asyncio.wait_for(nap(reader, LONG_S), LONG_S / 2))


def test_giving_the_seat_back_meanwhile_harms_nothing(seated):
    _, _, reader = seated

    async def program():
        napping = asyncio.create_task(nap(reader, 0.1))
        await asyncio.sleep(0.02)
        reader.close()
        await napping
        assert reader.descriptor is None

    asyncio.run(program())


def test_a_writer_that_is_gone_is_no_reason_to_spin(seated):
    writer, keeper, reader = seated
    writer.wake(keeper.page, [])
    for pipe in list(keeper._pipes):
        keeper._forget(pipe)

    async def program():
        began, naps = time.monotonic(), 0
        while time.monotonic() - began < 0.1:
            await nap(reader, LONG_S)
            naps += 1
        return naps

    assert asyncio.run(program()) < 200


def test_without_a_seat_it_looks_every_millisecond():
    memory = RingMemory.private(RingLayout.of(256, 64))
    reader = RingReader(RingView(memory))
    asyncio.run(asyncio.wait_for(nap(reader, LONG_S), LONG_S / 2))
