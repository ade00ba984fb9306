"""Frames are found wherever the stream is cut, and whatever their headers look like."""

from __future__ import annotations

from random import Random

import pytest
from rig import masked

from kitecli.sim.faults.frames import BINARY, CLOSE, CONTINUATION, TEXT, FrameBuffer, FrameScanner, make_frame

SIZES = (0, 1, 125, 126, 127, 65_535, 65_536, 70_000)
FRAMES = [
    *[make_frame(BINARY, bytes(size)) for size in SIZES],
    make_frame(TEXT, b"one", fin=False),
    make_frame(CONTINUATION, b"two"),
    make_frame(CLOSE, b"\x03\xe8"),
    *[masked(TEXT, bytes(at % 256 for at in range(size))) for size in SIZES[:6]],
]
STREAM = b"".join(FRAMES)


def chunks(seed: int) -> list[bytes]:
    """The stream in pieces of all sizes, of one byte too."""
    dice, at, found = Random(seed), 0, []
    while at < len(STREAM):
        size = dice.choice((1, 2, 3, 7, 1000, 100_000))
        found.append(STREAM[at : at + size])
        at += size
    return found


@pytest.mark.parametrize("seed", range(20))
def test_frames_end_where_they_end_however_the_stream_is_cut(seed: int):
    scanner, before, ends, opcodes = FrameScanner(), 0, [], []
    for chunk in chunks(seed):
        marks, used = scanner.scan(chunk)
        assert used == len(chunk)
        ends += [before + mark.end for mark in marks]
        opcodes += [(mark.opcode, mark.fin, mark.payload_bytes) for mark in marks]
        before += len(chunk)
        assert scanner.at_a_boundary == (before in {0, *[sum(map(len, FRAMES[: n + 1])) for n in range(len(FRAMES))]})
    assert ends == [sum(map(len, FRAMES[: number + 1])) for number in range(len(FRAMES))]
    assert opcodes[:3] == [(BINARY, True, 0), (BINARY, True, 1), (BINARY, True, 125)]
    assert opcodes[8:11] == [(TEXT, False, 3), (CONTINUATION, True, 3), (CLOSE, True, 2)]


@pytest.mark.parametrize("seed", range(5))
def test_a_scan_can_stop_after_so_many_frames(seed: int):
    """What lies behind stays for the next call."""
    scanner, rest, count = FrameScanner(), STREAM, 0
    dice = Random(seed)
    while rest:
        marks, used = scanner.scan(rest[: dice.choice((1, 5, 300_000))], 1)
        assert len(marks) <= 1
        if marks:
            assert marks[0].end == used
            assert scanner.at_a_boundary
        count, rest = count + len(marks), rest[used:]
    assert count == len(FRAMES)


@pytest.mark.parametrize("seed", range(20))
def test_whole_frames_and_their_payloads(seed: int):
    buffer = FrameBuffer()
    found = [frame for chunk in chunks(seed) for frame in buffer.take(chunk)]
    assert [frame.wire for frame in found] == FRAMES
    assert [len(frame.payload) for frame in found[:8]] == list(SIZES)
    assert found[-1].payload == bytes(at % 256 for at in range(65_535)), "unmasked"
    assert buffer.release() == b""


def test_what_was_begun_is_given_back():
    buffer = FrameBuffer()
    one = make_frame(TEXT, b"hello")
    assert [frame.payload for frame in buffer.take(one + one[:3])] == [b"hello"]
    assert buffer.release() == one[:3]
    assert [frame.payload for frame in buffer.take(one)] == [b"hello"], "and it begins anew"
