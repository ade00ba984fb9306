"""Damage is of the kind it says, and the frame around it stays a frame. Seen over sockets in test_proxy.py."""

from __future__ import annotations

from random import Random

import pytest
from rig import packets

from kitecli.protocol.decoder import decode_frame
from kitecli.sim.faults.damage import carries_ticks, in_fragments, in_segments, spoil
from kitecli.sim.faults.frames import BINARY, CLOSE, CONTINUATION, TEXT, Frame, FrameBuffer, make_frame
from kitecli.sim.faults.kinds import DAMAGES

PAYLOAD = packets(44, 8, 184)
SOUND = Frame(BINARY, True, make_frame(BINARY, PAYLOAD))


COUNTED = {"count": {"missing"}, "truncated": {"truncated", "missing"}, "length": {"unknown_length"}}


@pytest.mark.parametrize("form", DAMAGES)
def test_each_form_is_a_frame_that_the_decoder_survives_and_counts(form: str):
    for seed in range(100):
        [frame] = FrameBuffer().take(spoil(SOUND, form, Random(seed)))
        assert frame.fin
        assert frame.opcode == (3 if form == "opcode" else BINARY)
        if form in COUNTED:
            decoded = decode_frame(frame.payload)
            kinds = {kind for kind, count in decoded.damage.as_dict().items() if count}
            assert kinds
            assert kinds <= COUNTED[form]
            assert len(decoded.ticks) < 3 if form == "truncated" else len(decoded.ticks) == 3, "what is sound is kept"


def test_the_same_dice_the_same_damage():
    assert spoil(SOUND, "garbled", Random(5)) == spoil(SOUND, "garbled", Random(5))
    assert spoil(SOUND, "garbled", Random(5)) != spoil(SOUND, "garbled", Random(6))


@pytest.mark.parametrize(
    ("opcode", "fin", "payload", "does"),
    [
        (BINARY, True, PAYLOAD, True),
        (BINARY, True, b"\0", False),
        (BINARY, False, PAYLOAD, False),
        (TEXT, True, b"{}{}{}", False),
        (CLOSE, True, b"\x03\xe8bye", False),
    ],
)
def test_which_frames_carry_ticks(opcode: int, fin: bool, payload: bytes, does: bool):
    assert carries_ticks(Frame(opcode, fin, make_frame(opcode, payload, fin=fin))) is does


@pytest.mark.parametrize("pieces", [2, 3, 10])
@pytest.mark.parametrize("size", [1, 2, 3, 500])
def test_segments_are_the_bytes_in_pieces(pieces: int, size: int):
    wire = bytes(at % 256 for at in range(size))
    parts = in_segments(wire, pieces, Random(1))
    assert b"".join(parts) == wire
    assert len(parts) == min(pieces, size)
    assert all(parts)


@pytest.mark.parametrize("payload", [PAYLOAD, b"\0", b""])
@pytest.mark.parametrize("seed", range(10))
def test_fragments_are_the_message_in_frames(payload: bytes, seed: int):
    parts = in_fragments(Frame(BINARY, True, make_frame(BINARY, payload)), 4, Random(seed))
    frames = list(FrameBuffer().take(b"".join(parts)))
    assert [frame.opcode for frame in frames] == [BINARY, *[CONTINUATION] * 3]
    assert [frame.fin for frame in frames] == [False, False, False, True]
    assert b"".join(frame.payload for frame in frames) == payload


@pytest.mark.parametrize(("opcode", "fin"), [(9, True), (CLOSE, True), (CONTINUATION, True), (TEXT, False)])
def test_control_frames_and_fragments_are_not_taken_apart(opcode: int, fin: bool):
    wire = make_frame(opcode, b"x", fin=fin)
    assert in_fragments(Frame(opcode, fin, wire), 3, Random(1)) == [wire]
