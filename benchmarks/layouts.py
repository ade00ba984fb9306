"""The record's two layouts side by side: what writing costs the feed, and what using costs a reader (docs/adr/0001).

(a) decoded: 64 bytes of native integers, in full mode 128 bytes of depth beside them; (b) as received: the packet's own
bytes behind a time, 64 bytes a quote slot, 192 a full one, with flags in a parallel array, swapped when read.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import native
from driver import Blob
from frames import frames, ticks
from kitecli.market.tick import FLAG_INDEX, MODE_FULL, MODE_QUOTE, TICK_DTYPE
from kitecli.protocol.encoder import encode_frames
from measure import Scale, in_turns
from report import Row, Table, times
from rings import parts_of, ring, ring_ticks

BATCH = 10_000
_INDEX_SHARE = 0.1
_QUOTE_SLOT, _FULL_SLOT = 64, 192
# Words of a packet: the two kinds order the day's prices differently.
_QUOTE_OHLC, _INDEX_OHLC = (7, 8, 9, 10), (4, 2, 3, 5)
_LAST_PRICE = 1


def run(scale: Scale) -> list[Table]:
    writing = [_write_row(mode, whole, scale) for mode in (MODE_QUOTE, MODE_FULL) for whole in (False, True)]
    reading = _read_rows(scale)
    note = "ours is (a) decoded, the peer (b) as received; CPU time is compared"
    return [
        Table("layouts", "Layouts of a tick: writing", "ns a tick", "as received", writing, (note, "50 a frame")),
        Table(
            "layouts",
            "Layouts of a tick: reading with NumPy",
            "ns a tick",
            "as received",
            reading,
            (note, f"batches of {BATCH:,} ticks, copied out of the ring first, as a reader must"),
        ),
    ]


class _Raw:
    """Memory of layout (b) beside a ring of layout (a), whose lookup, links and cursor it shares."""

    def __init__(self, parts: ctypes.Structure, capacity: int, board: int, slot: int) -> None:
        self.slots = np.full(capacity * slot, 1, np.uint8)  # zeros would be pages nobody touched
        self.flags = np.full(capacity, 1, np.uint32)
        self.board = np.full(board * slot, 1, np.uint8)
        self.library = native.library("layouts")
        self.library.raw_open.restype = ctypes.c_void_p
        arrays = (ctypes.c_void_p(part.ctypes.data) for part in (self.slots, self.flags, self.board))
        self.handle = ctypes.c_void_p(self.library.raw_open(ctypes.byref(parts), *arrays))


def _write_row(mode: int, whole: bool, scale: Scale) -> Row:
    count = scale.pick(200_000, 25_000, 500)
    blob = Blob(frames(count, mode, 50))
    full, all_of_it = ctypes.c_int64(mode == MODE_FULL), ctypes.c_int64(whole)
    with ring(ring_ticks(scale)) as memory, ring(memory.layout.capacity) as other:
        layout = memory.layout
        parts, other_parts = parts_of(memory), parts_of(other)
        raw = _Raw(other_parts, layout.capacity, layout.board_capacity, _FULL_SLOT if full.value else _QUOTE_SLOT)
        library = raw.library
        library.layout_open.restype = ctypes.c_void_p
        decoded = ctypes.c_void_p(library.layout_open(ctypes.byref(parts)))
        costs = in_turns(
            {
                "decoded": lambda: library.decoded_write(decoded, all_of_it, *blob.arguments),
                "raw": lambda: library.raw_write(raw.handle, full, all_of_it, *blob.arguments),
                "copy": lambda: library.layout_copy(*blob.arguments),
            },
            scale.pick(20, 6, 1),
        )
    ours, peer = (costs[name].per(count, costs["copy"]) for name in ("decoded", "raw"))
    what = f"{'full' if mode == MODE_FULL else 'quote'}, {'the whole pass' if whole else 'into the ring alone'}"
    return Row(what, *ours, *peer, times(ours[1], peer[1]))


def _read_rows(scale: Scale) -> list[Row]:
    capacity = scale.pick(1 << 18, 1 << 16, 1 << 14)
    decoded, raw, flags = _same_ticks(capacity)
    batch, raw_batch, raw_flags = decoded[:BATCH].copy(), raw[:BATCH].copy(), flags[:BATCH].copy()

    def copy_decoded(at: int) -> None:
        _bytes(batch)[:] = _bytes(decoded[at : at + BATCH])

    def copy_raw(at: int) -> None:
        _bytes(raw_batch)[:] = _bytes(raw[at : at + BATCH])
        raw_flags[:] = flags[at : at + BATCH]

    uses: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "copying a batch": (lambda: None, lambda: None),
        "copying it, the sum of last_price": (
            lambda: batch["last_price"].sum(dtype=np.int64),
            lambda: raw_batch["words"][:, _LAST_PRICE].sum(dtype=np.int64),
        ),
        f"copying it, open, high, low and close, {_INDEX_SHARE:.0%} of them indices": (
            lambda: _ohlc_decoded(batch),
            lambda: _ohlc_raw(raw_batch, raw_flags),
        ),
    }
    starts, rounds = range(0, capacity - BATCH, BATCH), scale.pick(20, 6, 1)
    rows = []
    for what, (use, use_raw) in uses.items():
        candidates = {"a": _over(starts, copy_decoded, use), "b": _over(starts, copy_raw, use_raw)}
        costs = in_turns(candidates, rounds)
        a, b = (costs[name].per(len(starts) * BATCH) for name in ("a", "b"))
        rows.append(Row(what, *a, *b, times(a[1], b[1])))
    return rows


def _over(starts: range, copy: Callable[[int], None], use: Callable[[], object]) -> Callable[[], None]:
    def all_of_them() -> None:
        for at in starts:
            copy(at)
            use()

    return all_of_them


def _bytes(rows: NDArray[np.void]) -> NDArray[np.uint8]:
    """NumPy copies records field by field; the ring's reader copies memory."""
    return rows.view(np.uint8)


_RAW_DTYPE = np.dtype([("ts", "<i8"), ("words", ">i4", (11,)), ("pad", "V12")])


def _same_ticks(count: int) -> tuple[NDArray[np.void], NDArray[np.void], NDArray[np.uint32]]:
    """The same quotes and indices in both layouts."""
    decoded, _ = ticks(count, MODE_QUOTE)
    indices = np.random.default_rng(2).random(count) < _INDEX_SHARE
    decoded["token"][indices] = decoded["token"][indices] & np.uint32(0xFFFFFF00) | np.uint32(9)
    decoded["flags"][indices] = FLAG_INDEX
    raw = np.zeros(count, _RAW_DTYPE)
    slots = raw.view(np.uint8).reshape(count, _QUOTE_SLOT)
    for row, packet in enumerate(encode_frames(decoded, None, 1)):
        slots[row, 8 : 8 + len(packet) - 4] = np.frombuffer(packet, np.uint8, offset=4)
    return decoded, raw, decoded["flags"].astype(np.uint32) << np.uint32(16)


def _ohlc_decoded(batch: NDArray[np.void]) -> list[NDArray[np.int32]]:
    return [np.ascontiguousarray(batch[name]) for name in ("open", "high", "low", "close")]


def _ohlc_raw(batch: NDArray[np.void], flags: NDArray[np.uint32]) -> list[NDArray[np.int32]]:
    indices, words = (flags >> np.uint32(16) & np.uint32(FLAG_INDEX)) != 0, batch["words"]
    return [
        np.where(indices, words[:, index], words[:, quote]).astype(np.int32)
        for quote, index in zip(_QUOTE_OHLC, _INDEX_OHLC, strict=True)
    ]


assert TICK_DTYPE.itemsize == _RAW_DTYPE.itemsize == _QUOTE_SLOT
