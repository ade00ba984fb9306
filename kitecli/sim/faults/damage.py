"""Frames taken apart, put together and spoiled, sans I/O: the dice are an argument.

What a damaged message looks like, from one with packets A and B (see kitecli/protocol/layout.py for the layout):

=============  =======================================================================================
garbled        as many bytes, all of them random
count          the count says more packets than there are: 1 to 1,000 more
truncated      the message ends within a packet or a length
length         a packet of a length that no document names stands before A; A and B are sound
opcode         the frame has a reserved opcode, which ends a websocket connection (RFC 6455 section 5.2)
=============  =======================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from kitecli.protocol.layout import COUNT_BYTES, PACKET_LENGTHS
from kitecli.sim.faults.frames import BINARY, CONTINUATION, RESERVED, Frame, make_frame

LARGEST_COUNT: Final = 0xFFFF
_STRANGE_LENGTHS: Final = tuple(length for length in range(5, 200) if length not in PACKET_LENGTHS)


def carries_ticks(frame: Frame) -> bool:
    """Whether it is a binary message with packets; a heartbeat isn't."""
    return frame.opcode == BINARY and frame.fin and len(frame.payload) > COUNT_BYTES


def spoil(frame: Frame, form: str, dice: Random) -> bytes:
    """``frame`` damaged as ``form`` says, one of :data:`~kitecli.sim.faults.kinds.DAMAGES`."""
    return _FORMS[form](frame.payload, dice)


def in_segments(wire: bytes, pieces: int, dice: Random) -> list[bytes]:
    """``wire`` in up to ``pieces`` parts, none of them empty."""
    cuts = sorted(dice.sample(range(1, len(wire)), min(pieces, len(wire)) - 1)) if len(wire) > 1 else []
    return [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]


def in_fragments(frame: Frame, pieces: int, dice: Random) -> list[bytes]:
    """The message of ``frame`` in ``pieces`` websocket fragments, some of them maybe empty.

    Control frames may not be fragmented, and a fragment is one already: both are left as they are.
    """
    if frame.opcode >= 0x8 or frame.opcode == CONTINUATION or not frame.fin:
        return [frame.wire]
    payload = frame.payload
    cuts = sorted(dice.choices(range(len(payload) + 1), k=pieces - 1))
    parts = [payload[start:end] for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    return [
        make_frame(frame.opcode if at == 0 else CONTINUATION, part, fin=at == len(parts) - 1)
        for at, part in enumerate(parts)
    ]


def _garbled(payload: bytes, dice: Random) -> bytes:
    return make_frame(BINARY, dice.randbytes(len(payload)))


def _count(payload: bytes, dice: Random) -> bytes:
    count = min(int.from_bytes(payload[:COUNT_BYTES], "big") + dice.randint(1, 1000), LARGEST_COUNT)
    return make_frame(BINARY, count.to_bytes(COUNT_BYTES, "big") + payload[COUNT_BYTES:])


def _truncated(payload: bytes, dice: Random) -> bytes:
    return make_frame(BINARY, payload[: dice.randrange(COUNT_BYTES, len(payload))])


def _length(payload: bytes, dice: Random) -> bytes:
    strange = dice.choice(_STRANGE_LENGTHS)
    count = min(int.from_bytes(payload[:COUNT_BYTES], "big") + 1, LARGEST_COUNT)
    packet = strange.to_bytes(2, "big") + dice.randbytes(strange)
    return make_frame(BINARY, count.to_bytes(COUNT_BYTES, "big") + packet + payload[COUNT_BYTES:])


def _opcode(payload: bytes, dice: Random) -> bytes:  # noqa: ARG001 - one form of five
    return make_frame(RESERVED, payload)


_FORMS: Final[dict[str, Callable[[bytes, Random], bytes]]] = {
    "garbled": _garbled,
    "count": _count,
    "truncated": _truncated,
    "length": _length,
    "opcode": _opcode,
}
