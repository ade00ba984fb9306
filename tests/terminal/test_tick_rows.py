"""Recorded ticks as a table that fits, and as lines for programs."""

from __future__ import annotations

import io

from kitecli.protocol.decoder import decode_frame
from kitecli.protocol.encoder import encode_frames
from kitecli.ring.reader import Batch
from kitecli.terminal.tick_rows import write_ticks
from tests.archive.stores import INFY, START_NS, ticks_of


def written(width: int | None) -> list[str]:
    frame = decode_frame(encode_frames(*ticks_of(33), packets_per_frame=9)[0], ts_recv_ns=START_NS + 1500)
    out = io.StringIO()
    write_ticks([Batch(frame.ticks, frame.depth, 0, 0)] * 2, {INFY: "NSE:INFY"}, out, width)
    return out.getvalue().splitlines()


def test_a_pipe_gets_all_columns_between_tabs_and_no_heads():
    lines = [line.split("\t") for line in written(None)]
    assert len(lines) == 6
    assert lines[0] == ["09:15:00.000001", "NSE:INFY", "1,500.33", "330", "1,499.95", "1,500.05", "7", "full"]
    assert lines[2] == ["09:15:00.000001", "", "105.4725", "", "", "", "", "ltp"]


def test_a_terminal_gets_what_fits_under_heads_said_once():
    for width in (30, 60, 200):
        lines = written(width)
        assert len(lines) == 7
        assert all(len(line) <= width for line in lines)
        assert lines[0].startswith("received IST")
    assert "1,500.33" in written(60)[1]
    assert "full" in written(200)[1]
