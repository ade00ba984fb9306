"""A load to measure with: ticks at an exact pace, made ready to send, each message stamped just before it is written.

The synthetic market spends microseconds on a tick, so at high rates it is what breaks first. Here a tick is a row of
wire bytes in which a few words change: price, quantity, volume, times. Instruments take turns, so each has the same
rate; bursts come on top, all at once. The book below a price, and all that REST shows, stay as they were at the start.

The stamp is the sender's clock in nanoseconds, as one big-endian number in the places of the two total quantities::

    quote or full packet   20                    28
    -----------------------+---------------------+------
                           | sent at, ns (u64)   |
    -----------------------+---------------------+------
                             buy_quantity (high), sell_quantity (low)

Indices have no such place; there are none.
"""

from __future__ import annotations

import struct
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.clock import NS_PER_S
from kitecli.errors import UsageError
from kitecli.market.tick import MODE_FULL, MODE_LTP, MODE_QUOTE
from kitecli.protocol.encoder import encode_packets
from kitecli.protocol.layout import LENGTH_BYTES
from kitecli.sim.market import SyntheticMarket
from kitecli.sim.source import Batch, Records, Slots, take_depth, take_ticks
from kitecli.sim.ticker import TickerSession
from kitecli.sim.universe import build_universe

MAX_RATE: Final = 10_000.0
STAMP_AT: Final = 20
MAX_BEHIND_S: Final = 1.0
"""What it couldn't send in time is made up for, up to so much; beyond, it stays behind, and the ledger shows it."""
MAX_AT_ONCE: Final = 20_000
"""Ticks of one step: more, and an exchange that is behind would hear nothing for seconds."""
_INDICES: Final = 64
"""More than there are among any number of instruments, to be left out."""
_SWING: Final = 11
"""Prices, in ticks around where they stood, repeat after so many; a prime, so not with the instruments."""
_COUNT_BYTES: Final = 2
_PACKET_BYTES: Final = {MODE_LTP: 8, MODE_QUOTE: 44, MODE_FULL: 184}
_ROW: Final = np.dtype(
    {
        "names": ["length", "last_price", "last_quantity", "volume", "traded_s", "event_s"],
        "formats": [">u2", ">i4", ">u4", ">u4", ">u4", ">u4"],
        "offsets": [0, *(LENGTH_BYTES + at for at in (4, 8, 16, 44, 60))],
        "itemsize": LENGTH_BYTES + _PACKET_BYTES[MODE_FULL],
    }
)


class LoadSource:
    """A :class:`~kitecli.sim.source.Source` of ``count`` instruments, ``rate`` ticks a second each.

    Every ``step_ms`` what is due is sent. Every ``burst_s``, where it isn't 0, ``burst`` ticks more come at once.
    Raises UsageError for a rate or a count that isn't possible.
    """

    mode = MODE_FULL
    lossless = False
    ended = False

    def __init__(
        self,
        day: date,
        count: int,
        *,
        seed: int,
        rate: float,
        start_ns: int,
        step_ms: float,
        burst: int = 0,
        burst_s: float = 0.0,
    ) -> None:
        if not 0 < rate <= MAX_RATE:
            raise UsageError(f"A load of {rate:g} ticks a second of each instrument isn't possible")
        if count < 1:
            raise UsageError("A load of no instruments isn't possible", hint="give --instruments N")
        universe = build_universe(day, count + _INDICES)
        market = SyntheticMarket(universe, seed=seed, rate=1, start_ns=start_ns)
        chosen = np.flatnonzero([listing.kind != "index" for listing in universe])[:count]
        self.instruments = [market.instruments[slot] for slot in chosen.tolist()]
        first = market.cached(chosen)
        self._ticks, self._depth = first.ticks, first.depth
        self._tick_size = market.tick_sizes[chosen]
        self._rows = np.frombuffer(bytearray(b"".join(_with_lengths(first))), _ROW)
        self._turns: NDArray[np.int64] = np.zeros(len(chosen), np.int64)
        self._order = np.random.default_rng(seed).permutation(len(chosen))
        self._per_ns = rate * len(chosen) / NS_PER_S
        self._step_ns = round(step_ms * 1e6)
        self._burst, self._burst_ns = burst, round(burst_s * NS_PER_S)
        self.begin(start_ns)

    def begin(self, now_ns: int) -> None:
        self._began_ns = self._at_ns = now_ns
        self._sent = 0
        self._bursts = 0
        self._place = 0

    def advance(self, now_ns: int) -> Batch:
        """What the pace asks for by ``now_ns``, in turns; of a burst, all of it."""
        self._at_ns = now_ns
        asked = int((now_ns - self._began_ns) * self._per_ns)
        self._sent = max(self._sent, asked - int(MAX_BEHIND_S * NS_PER_S * self._per_ns))
        due = min(asked - self._sent, MAX_AT_ONCE)
        self._sent += due
        count = due + self._burst_due(now_ns)
        slots = self._order[(self._place + np.arange(count)) % self._order.size]
        self._place += count
        self._move(slots, now_ns // NS_PER_S)
        return self._cached(slots)

    def cached(self, slots: Slots) -> Batch:
        return self._cached(slots)

    def next_ns(self) -> int:
        return self._at_ns + self._step_ns

    def rows_of(self, slot: int) -> Records:
        """TICK_DTYPE: what its candles are made of, which is nothing but its first tick."""
        return self._ticks[slot : slot + 1]

    def wire(self, slots: Slots, mode: int) -> bytes:
        """The packets of ``slots`` in one mode, each behind its length: what is between a message's counts."""
        size = LENGTH_BYTES + _PACKET_BYTES[mode]
        rows = self._rows.view(f"V{_ROW.itemsize}")[slots].view(np.uint8).reshape(slots.size, _ROW.itemsize)[:, :size]
        rows[:, :LENGTH_BYTES] = divmod(_PACKET_BYTES[mode], 256)
        return rows.tobytes()

    def _cached(self, slots: Slots) -> Batch:
        assert self._depth is not None  # the market has depth
        return Batch(slots, take_ticks(self._ticks, slots), take_depth(self._depth, slots))

    def _burst_due(self, now_ns: int) -> int:
        if not self._burst_ns:
            return 0
        due = (now_ns - self._began_ns) // self._burst_ns - self._bursts
        self._bursts += due
        return min(due, 1) * self._burst

    def _move(self, slots: Slots, now_s: int) -> None:
        """A trade of each of ``slots``: a new price near where it stood, and more volume."""
        turns = self._turns[slots] + 1
        self._turns[slots] = turns
        swing = (turns + slots) % _SWING
        rows, ticks = self._rows, self._ticks
        rows["last_price"][slots] = ticks["last_price"][slots] + (swing - _SWING // 2) * self._tick_size[slots]
        rows["last_quantity"][slots] = swing + 1
        rows["volume"][slots] = (ticks["volume"][slots] + turns) & 0x7FFF_FFFF
        rows["traded_s"][slots] = rows["event_s"][slots] = now_s


class LoadSession(TickerSession):
    """A client's connection to a load: its messages are cut from ready rows, and stamped when they are written."""

    stamps = True

    def _frames(self, batch: Batch, chosen: Slots) -> list[bytes]:
        source, slots = self._source, batch.slots[chosen]
        assert isinstance(source, LoadSource)  # the exchange opens one only with it
        modes = self._modes[slots]
        frames: list[bytes] = []
        for mode in np.unique(modes).tolist():
            wire = source.wire(slots[modes == mode], mode)
            frames += _cut(wire, LENGTH_BYTES + _PACKET_BYTES[mode], self._packets_per_frame)
        return frames


def stamped(frame: bytes, now_ns: int) -> bytes:
    """The message with the time in each of its packets, which are all of one length and no index's; else as it is."""
    if len(frame) < _COUNT_BYTES:  # a heartbeat
        return frame
    (count,) = struct.unpack_from(">H", frame)
    size = (len(frame) - _COUNT_BYTES) // count
    if size < LENGTH_BYTES + _PACKET_BYTES[MODE_QUOTE]:
        return frame
    out = bytearray(frame)
    at = _COUNT_BYTES + LENGTH_BYTES + STAMP_AT
    np.ndarray((count,), ">u8", out, at, (size,))[:] = now_ns
    return bytes(out)


def _with_lengths(batch: Batch) -> list[bytes]:
    return [struct.pack(">H", len(packet)) + packet for packet in encode_packets(batch.ticks, batch.depth)]


def _cut(wire: bytes, size: int, most: int) -> list[bytes]:
    count = len(wire) // size
    parts = range(0, count, most)
    return [struct.pack(">H", min(most, count - at)) + wire[at * size : (at + most) * size] for at in parts]
