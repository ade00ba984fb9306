"""Messages to measure with: no two alike, because one frame repeated flatters by ten times.

Every field of every packet is drawn at random, instruments too, so that lookup, board and branches meet what they meet
at the exchange's busiest and nothing is still in a cache from the frame before.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.market.tick import (
    DEPTH_DTYPE,
    MODE_FULL,
    MODE_LTP,
    MODE_QUOTE,
    TICK_DTYPE,
)
from kitecli.protocol.encoder import encode_frames

INSTRUMENTS: Final = 9_000
"""What one account may stream."""
SEED: Final = 20_241_127
_NSE: Final = 1
_INDICES: Final = 9
_MOST: Final = 1 << 27
"""Volumes stay below, so that a stamp (wire.c), whose upper half is above 4 x 10^8, is told from one."""


def tokens(count: int = INSTRUMENTS, segment: int = _NSE) -> NDArray[np.uint32]:
    """Instrument tokens as the exchange numbers them: scattered, the segment in the low byte."""
    draw = np.random.default_rng(SEED)
    exchange_tokens = draw.choice(200_000, count, replace=False).astype(np.uint32) + np.uint32(1)
    return exchange_tokens << np.uint32(8) | np.uint32(segment)


def ticks(
    count: int, mode: int, universe: NDArray[np.uint32] | None = None, seed: int = SEED
) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """(count,) TICK_DTYPE and DEPTH_DTYPE with every field drawn, instruments uniformly from ``universe``."""
    draw = np.random.default_rng(seed)
    depth = np.frombuffer(draw.bytes(count * DEPTH_DTYPE.itemsize), DEPTH_DTYPE).copy()
    rows = np.zeros(count, TICK_DTYPE)
    for name in TICK_DTYPE.names or ():
        if TICK_DTYPE[name].itemsize == 4:
            rows[name] = draw.integers(1, _MOST, count)
    rows["token"] = draw.choice(tokens() if universe is None else universe, count)
    rows["mode"] = mode
    return rows, depth


def frames(count: int, mode: int, per_frame: int, universe: NDArray[np.uint32] | None = None) -> list[bytes]:
    """``count`` ticks in messages of ``per_frame`` packets."""
    rows, depth = ticks(count, mode, universe)
    return encode_frames(rows, depth if mode == MODE_FULL else None, per_frame)


def mixed_frames(count: int, per_frame: int) -> list[bytes]:
    """``count`` ticks of all five kinds of packet, shuffled, in messages of ``per_frame``."""
    rows, depth = ticks(count, MODE_QUOTE)
    draw = np.random.default_rng(SEED)
    rows["mode"] = draw.choice([MODE_LTP, MODE_QUOTE, MODE_FULL], count, p=[0.2, 0.4, 0.4])
    indices = draw.random(count) < 0.1
    rows["token"][indices] = rows["token"][indices] & np.uint32(0xFFFFFF00) | np.uint32(_INDICES)
    return encode_frames(rows, depth, per_frame)


def write_frames(path: Path, messages: Sequence[bytes]) -> None:
    """The file ``wire serve`` reads."""
    path.write_bytes(b"".join(struct.pack("<I", len(message)) + message for message in messages))
