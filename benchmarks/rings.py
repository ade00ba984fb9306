"""Rings as the gateway makes them: a file in the runtime folder, mapped; gone when the measurement is over."""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from kitecli.ring.layout import (
    BOARD_ROWS_OFFSET,
    COUNTERS_OFFSET,
    CURSOR_OFFSET,
    HEADER_BYTES,
    HEARTBEAT_OFFSET,
    INTENT_OFFSET,
    PAGE_BYTES,
    RingLayout,
)
from kitecli.ring.location import runtime_dir
from kitecli.ring.memory import RingMemory
from measure import Scale

_number = itertools.count()


def ring_ticks(scale: Scale) -> int:
    """The product's default, a million ticks; to see that things run, what fits into any container's shared memory."""
    return scale.pick(1 << 20, 1 << 20, 1 << 14)


@contextmanager
def ring(ticks: int) -> Iterator[RingMemory]:
    """A ring file of at least ``ticks``, every page touched: a feed pays for that once, in its first minute."""
    path = runtime_dir() / f"feed-{os.getpid()}.ring-bench{next(_number)}"
    memory = RingMemory.create(path, RingLayout.of(ticks))
    touched(memory.buffer)
    try:
        yield memory
    finally:
        memory.remove()
        memory.close()


def touched(buffer: mmap.mmap) -> None:
    """Make every page behind the header a real one."""
    np.frombuffer(buffer, np.uint8, offset=HEADER_BYTES)[::PAGE_BYTES] = 0


class Parts(ctypes.Structure):
    """Where a ring's parts stand in this process, for C (``parts`` in ring_parts.h)."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("ticks", "links", "depth", "meta", "board_ticks", "board_depth")),
        *((name, ctypes.c_void_p) for name in ("intent", "cursor", "board_rows", "heartbeat_ns", "counters")),
        *((name, ctypes.c_int64) for name in ("capacity", "depth_capacity", "board_capacity")),
    ]


def parts_of(memory: RingMemory) -> Parts:
    """Addresses into ``memory``, which must outlive them."""
    layout = memory.layout
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory.buffer))
    offsets = (
        *(layout.ticks_offset, layout.links_offset, layout.depth_offset, layout.meta_offset),
        *(layout.board_ticks_offset, layout.board_depth_offset, INTENT_OFFSET, CURSOR_OFFSET),
        *(BOARD_ROWS_OFFSET, HEARTBEAT_OFFSET, COUNTERS_OFFSET),
    )
    capacities = (layout.capacity, layout.depth_capacity, layout.board_capacity)
    return Parts(*(start + offset for offset in offsets), *capacities)
