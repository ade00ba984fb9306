"""What the simulated exchange sends from: the synthetic market and the table of real ticks both fit this shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kitecli.market.instruments import Instrument
from kitecli.market.tick import DEPTH_DTYPE, TICK_DTYPE

Slots = NDArray[np.intp]
Records = NDArray[np.void]

_TICK: np.dtype[np.void] = np.dtype(f"V{TICK_DTYPE.itemsize}")
_DEPTH: np.dtype[np.void] = np.dtype(f"V{DEPTH_DTYPE.itemsize}")


class Batch(NamedTuple):
    """Ticks in the order they are to be sent.

    ``slots``: (n,) positions in :attr:`Source.instruments`. ``ticks``: (n,) TICK_DTYPE in the source's best mode.
    ``depth``: (n,) DEPTH_DTYPE, or None where the source has none.
    """

    slots: Slots
    ticks: Records
    depth: Records | None


class Source(Protocol):
    """``mode``: the best mode its columns allow; a client that asks for more gets this.

    ``lossless``: nothing may be left out, so a slow client makes the source wait (True) or is passed over (False).
    """

    mode: int
    lossless: bool

    @property
    def instruments(self) -> Sequence[Instrument]:
        """What it has ticks of; a slot is a position here."""
        ...

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        ...

    def begin(self, now_ns: int) -> None:
        """Start, or go on, at this time."""
        ...

    def advance(self, now_ns: int) -> Batch:
        """Everything that is due by ``now_ns``; each tick once."""
        ...

    def cached(self, slots: Slots) -> Batch:
        """The last tick of each of these instruments, of those that have had one."""
        ...

    def next_ns(self) -> int:
        """When to come again."""
        ...


def take_ticks(records: Records, rows: Slots) -> Records:
    """``records[rows]`` as opaque bytes: NumPy copies a structured record field by field, five times slower."""
    return records.view(_TICK)[rows].view(TICK_DTYPE)


def take_depth(records: Records, rows: Slots) -> Records:
    """As :func:`take_ticks`, of depth."""
    return records.view(_DEPTH)[rows].view(DEPTH_DTYPE)


def join(batches: Sequence[Batch]) -> Batch:
    """Batches of one source in a row; no ticks of no batches.

    As opaque bytes: NumPy's concatenate would turn the depth's big-endian fields into native ones.
    """
    if len(batches) == 1:
        return batches[0]
    if not batches:
        return Batch(np.zeros(0, np.intp), np.zeros(0, TICK_DTYPE), None)
    depths = [batch.depth.view(_DEPTH) for batch in batches if batch.depth is not None]
    return Batch(
        np.concatenate([batch.slots for batch in batches]),
        np.concatenate([batch.ticks.view(_TICK) for batch in batches]).view(TICK_DTYPE),
        np.concatenate(depths).view(DEPTH_DTYPE) if depths else None,
    )


def put_depth(records: Records, rows: Slots, values: Records) -> None:
    records.view(_DEPTH)[rows] = values.view(_DEPTH)


def put_ticks(records: Records, rows: Slots, values: Records) -> None:
    """Later rows win where ``rows`` repeats a slot."""
    records.view(_TICK)[rows] = values.view(_TICK)
