"""The two pairs of writer and view, for tests that both must pass; and frames to feed them."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from kitecli.hot import COMPILED, WHY_NOT, uncompiled
from kitecli.ring import view
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory


@dataclass(frozen=True)
class Implementation:
    """``FramePass`` and ``RingView`` of one kind, and a ring of a private memory to try them on."""

    frame_pass: Any
    ring_view: Any

    def ring(self, capacity: int = 64, board: int = 64) -> Ring:
        memory = RingMemory.private(RingLayout.of(capacity, board))
        return Ring(memory, self.frame_pass(memory), self.ring_view(memory))


@dataclass(frozen=True)
class Ring:
    memory: RingMemory
    writer: Any
    view: Any

    def write(self, tokens: Sequence[int], *, first_price: int = 0, ts_recv_ns: int = 1) -> None:
        """One message of quotes: a tick for each token, priced upwards from ``first_price``."""
        self.writer.ingest(message([quote(token, first_price + n) for n, token in enumerate(tokens)]), ts_recv_ns)


LONG_S = 60.0
"""Longer than any of these tests may take: who waits this long was not woken."""


@contextmanager
def woken() -> Iterator[None]:
    """What waits ``LONG_S`` in here must be woken long before."""
    began_s = time.monotonic()
    yield
    assert time.monotonic() - began_s < LONG_S / 2, "nobody woke it"


def _compiled() -> Implementation | None:
    if not COMPILED:
        return None
    from kitecli.hot import _hot

    return Implementation(_hot.FramePass, _hot.RingView)


REFERENCE = Implementation(uncompiled.FramePass, view.RingView)
COMPILED_ONE = _compiled()
needs_compiled = pytest.mark.skipif(not COMPILED, reason=WHY_NOT or "-")
BOTH = pytest.mark.parametrize(
    "implementation",
    [pytest.param(REFERENCE, id="reference"), pytest.param(COMPILED_ONE, id="compiled", marks=needs_compiled)],
)


def message(packets: Sequence[bytes]) -> bytes:
    return struct.pack(">H", len(packets)) + b"".join(struct.pack(">H", len(one)) + one for one in packets)


def ltp(token: int, price: int) -> bytes:
    return struct.pack(">Ii", token, price)


def index_quote(token: int, price: int) -> bytes:
    return struct.pack(">I6i", token, price, price, price, price, price, 0)


def index_full(token: int, price: int) -> bytes:
    return index_quote(token, price) + struct.pack(">I", 15)


def quote(token: int, price: int) -> bytes:
    """A quote packet; the volume is the price, so that a tick can be told from its fields."""
    return struct.pack(">Ii3I2I4i", token, price, 1, price, price, 0, 0, price, price, price, price)


def full(token: int, price: int, quantity: int = 1) -> bytes:
    """A full packet whose ten levels all say ``quantity`` at ``price``."""
    return quote(token, price) + struct.pack(">5I", 11, 12, 13, 14, 15) + struct.pack(">IiHxx", quantity, price, 1) * 10
