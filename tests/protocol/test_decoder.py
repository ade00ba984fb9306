"""The reference decoder's own promises; messages written out by hand are in tests/conformance."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import kitecli.ring
from kitecli.market.tick import DEPTH_DTYPE, FLAG_DEPTH, TICK_DTYPE
from kitecli.protocol.decoder import Damage, decode_frame, split_packets
from tests.conformance.vectors import INFY_FULL, INFY_LTP, INFY_QUOTE, NIFTY_INDEX, message

PACKETS = st.lists(st.sampled_from([INFY_LTP, INFY_QUOTE, INFY_FULL, NIFTY_INDEX, b"", b"what?"]), max_size=20)
RING_MODULES = sorted(
    f"kitecli.ring.{path.stem}" for path in Path(kitecli.ring.__file__).parent.glob("*.py") if path.stem != "__init__"
)


def test_records_have_the_drawn_layouts_and_are_stamped():
    frame = decode_frame(message(INFY_QUOTE, INFY_FULL), ts_recv_ns=123, connection=2)
    assert (frame.ticks.dtype, frame.depth.dtype) == (TICK_DTYPE, DEPTH_DTYPE)
    assert frame.ticks["ts_recv_ns"].tolist() == [123, 123]
    assert frame.ticks["connection"].tolist() == [2, 2]
    assert (frame.ticks["flags"] & FLAG_DEPTH).tolist() == [0, FLAG_DEPTH]


def test_a_row_without_depth_has_nothing_in_it():
    frame = decode_frame(message(INFY_FULL, INFY_QUOTE))
    assert not frame.depth[1:].view(np.uint8).any()


def test_the_message_may_be_a_view_and_is_not_kept():
    data = bytearray(message(INFY_QUOTE, INFY_LTP))
    frame = decode_frame(memoryview(data))
    data[:] = bytes(len(data))
    assert frame.ticks["token"].tolist() == [408065, 408065]


def test_a_heartbeat_is_no_damage_and_no_ticks():
    frame = decode_frame(b"\x00")
    assert frame.heartbeat
    assert not frame.damage
    assert frame.ticks.size == frame.depth.size == 0


def test_damage_is_true_when_there_is_some_and_speaks_in_names():
    assert not Damage()
    assert Damage(trailing=1)
    assert Damage(missing=2).as_dict() == {
        "empty": 0,
        "truncated": 0,
        "missing": 2,
        "unknown_length": 0,
        "trailing": 0,
    }


@given(st.binary(max_size=600))
def test_no_bytes_raise(data: bytes):
    frame = decode_frame(data)
    assert frame.ticks.size == frame.depth.size
    assert frame.heartbeat == (len(data) == 1)


@given(PACKETS)
def test_every_packet_of_a_known_length_becomes_a_tick(packets: list[bytes]):
    frame = decode_frame(message(*packets))
    known = [packet for packet in packets if len(packet) in (8, 28, 44, 184)]
    assert len(frame.ticks) == len(known)
    assert frame.damage.as_dict() == {**Damage().as_dict(), "unknown_length": len(packets) - len(known)}


@given(PACKETS, st.data())
def test_a_cut_message_keeps_what_stood_before_the_cut(packets: list[bytes], data: st.DataObject):
    whole = message(*packets)
    cut = data.draw(st.integers(2, len(whole)))
    kept, end = 0, 2
    for packet in packets:
        end += 2 + len(packet)
        if end > cut:
            break
        kept += len(packet) in (8, 28, 44, 184)
    frame = decode_frame(whole[:cut])
    assert frame.ticks.tobytes() == decode_frame(whole).ticks[:kept].tobytes()
    assert bool(frame.damage.truncated or frame.damage.missing) == (cut < len(whole))


@given(PACKETS)
def test_offsets_and_lengths_point_at_the_packets(packets: list[bytes]):
    data = message(*packets)
    offsets, lengths, _ = split_packets(np.frombuffer(data, np.uint8))
    found = [data[at : at + length] for at, length in zip(offsets.tolist(), lengths.tolist(), strict=True)]
    assert found == [packet for packet in packets if len(packet) in (8, 28, 44, 184)]


def test_the_reference_imports_nothing_of_the_compiled_pass():
    modules = ", ".join(["kitecli.protocol.decoder", *RING_MODULES])
    code = f"import sys, {modules}; print([name for name in sys.modules if name.startswith('kitecli.hot')])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
