"""pass.h compiled as a plain C library: for versions of it with planted bugs, and for running it under sanitizers."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

import kitecli.hot
from kitecli.bars.memory import BarsMemory
from kitecli.bars.timeline import EMPTY, Timeline
from kitecli.market.modes import MODES
from kitecli.ring.layout import (
    BOARD_ROWS_OFFSET,
    COUNTERS_OFFSET,
    CURSOR_OFFSET,
    HEARTBEAT_OFFSET,
    INTENT_OFFSET,
)
from kitecli.ring.memory import RingMemory

HEADERS = Path(kitecli.hot.__file__).parent
COMPILER = shutil.which("cc") if sys.platform != "win32" else None
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler on the path as cc")



def headers() -> dict[str, str]:
    """The pass's sources by name."""
    return {path.name: path.read_text() for path in HEADERS.glob("*.h")}


_SOURCE = """
#include "pass.h"
kite_pass *native_open(uint8_t *base, const uint64_t *at)
{
    kite_pass *pass = calloc(1, sizeof *pass);
    pass->ticks = (kite_tick *)(base + at[0]);
    pass->links = (uint32_t *)(base + at[1]);
    pass->depth = (kite_depth *)(base + at[2]);
    pass->meta = (kite_meta *)(base + at[3]);
    pass->board_ticks = (kite_tick *)(base + at[4]);
    pass->board_depth = (kite_depth *)(base + at[5]);
    pass->intent = (int64_t *)(base + at[6]);
    pass->cursor = (int64_t *)(base + at[7]);
    pass->board_rows = (int64_t *)(base + at[8]);
    pass->heartbeat_ns = (int64_t *)(base + at[9]);
    pass->counters = (uint64_t *)(base + at[10]);
    pass->mask = at[11] - 1;
    pass->depth_mask = at[12] - 1;
    pass->board_capacity = (int64_t)at[13];
    kite_pass_make_table(pass);
    return pass;
}
int64_t native_ingest(kite_pass *pass, const uint8_t *p, size_t size, int64_t ts_recv_ns, uint32_t connection)
{
    return kite_pass_ingest(pass, p, size, ts_recv_ns, connection);
}
void native_expect(kite_pass *pass, uint32_t token, uint32_t wanted)
{
    kite_pass_expect(pass, token, wanted);
}
void native_add_bars(kite_pass *pass, uint8_t *base, uint32_t timelines)
{
    pass->bars = calloc(1, sizeof *pass->bars);
    kite_bars_over(pass->bars, base);
    pass->bars->tokens = &pass->meta->token;
    pass->bars->timelines = calloc(timelines, sizeof(kite_timeline));
    pass->bars->timeline_count = timelines;
}
void native_timeline(kite_pass *pass, uint32_t index, const int64_t *starts_ms, const uint8_t *kinds, int64_t count)
{
    kite_timeline timeline = {starts_ms, kinds, count, 0};
    pass->bars->timelines[index] = timeline;
}
void native_place(kite_pass *pass, uint32_t token, uint16_t timeline)
{
    kite_pass_place(pass, token, timeline);
}
void native_mark_gap(kite_pass *pass, uint32_t token)
{
    kite_pass_mark_gap(pass, token);
}
int native_sweep(kite_pass *pass, int64_t now_ms, int64_t limit)
{
    return kite_bars_sweep(pass->bars, *pass->board_rows, now_ms, limit);
}
void native_close(kite_pass *pass)
{
    if (pass->bars)
        free(pass->bars->timelines);
    free(pass->bars);
    free(pass->table);
    free(pass);
}
"""


def compile_pass(folder: Path, sources: Mapping[str, str]) -> ctypes.CDLL:
    """A shared library of these headers, built in ``folder`` as ``native.so``."""
    for name, text in {**sources, "native.c": _SOURCE}.items():
        (folder / name).write_text(text)
    built = folder / "native.so"
    subprocess.run(
        [str(COMPILER), "-O0", "-w", "-shared", "-fPIC", "-fno-strict-aliasing", "native.c", "-o", str(built)],
        cwd=folder,
        check=True,
    )
    return load_pass(built)


def load_pass(built: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(built))
    library.native_open.restype = ctypes.c_void_p
    library.native_open.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64)]
    library.native_ingest.restype = ctypes.c_int64
    library.native_ingest.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int64, ctypes.c_uint32
    ]  # fmt: skip
    library.native_expect.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32]
    library.native_add_bars.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]
    library.native_timeline.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
    ]  # fmt: skip
    library.native_place.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint16]
    library.native_mark_gap.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.native_sweep.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    library.native_close.argtypes = [ctypes.c_void_p]
    return library


class NativePass:
    """``FramePass`` over such a library."""

    def __init__(
        self,
        library: ctypes.CDLL,
        memory: RingMemory,
        bars: BarsMemory | None = None,
        timelines: Sequence[Timeline] = (),
    ) -> None:
        layout = memory.layout
        parts = ("ticks", "links", "depth", "meta", "board_ticks", "board_depth")
        offsets = [
            *(getattr(layout, f"{part}_offset") for part in parts),
            *(INTENT_OFFSET, CURSOR_OFFSET, BOARD_ROWS_OFFSET, HEARTBEAT_OFFSET, COUNTERS_OFFSET),
            *(layout.capacity, layout.depth_capacity, layout.board_capacity),
        ]
        self._memory = (ctypes.c_char * layout.total_bytes).from_buffer(memory.buffer)
        self._library = library
        self._state = library.native_open(ctypes.addressof(self._memory), (ctypes.c_uint64 * len(offsets))(*offsets))
        if bars is not None:
            self._add_bars(bars, tuple(timelines) or (EMPTY,))

    def _add_bars(self, bars: BarsMemory, timelines: Sequence[Timeline]) -> None:
        self._bars = (ctypes.c_char * bars.layout.total_bytes).from_buffer(bars.buffer)
        self._timelines = timelines
        self._library.native_add_bars(self._state, ctypes.addressof(self._bars), len(timelines))
        for index, one in enumerate(timelines):
            at = (one.starts_ms.ctypes.data, one.kinds.ctypes.data, one.kinds.size)
            self._library.native_timeline(self._state, index, *at)

    def ingest(self, message: bytes, ts_recv_ns: int, connection: int) -> int:
        written: int = self._library.native_ingest(self._state, message, len(message), ts_recv_ns, connection)
        return written

    def expect_snapshots(self, modes: Mapping[int, str]) -> None:
        for token, mode in modes.items():
            self._library.native_expect(self._state, token, MODES.index(mode) + 1)

    def place(self, timelines_of: Mapping[int, int]) -> None:
        for token, timeline in timelines_of.items():
            self._library.native_place(self._state, token, timeline)

    def mark_gap(self, tokens: Iterable[int]) -> None:
        for token in tokens:
            self._library.native_mark_gap(self._state, token)

    def close_bars(self, now_ns: int, limit: int) -> bool:
        return bool(self._library.native_sweep(self._state, now_ns // 1_000_000, limit))

    def __del__(self) -> None:
        self._library.native_close(self._state)
