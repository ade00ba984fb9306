"""Messages from a seed: sound ones, sound ones with something done to them, and plain noise.

Between them, now and then, the word that instruments are being subscribed: a step is a message or a mapping of tokens
to modes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random

from kitecli.market.modes import MODES

LENGTHS = (8, 28, 32, 44, 184)
SEGMENTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13)
INSTRUMENTS = 90
"""More than the board of a small ring has rows for."""


def steps(seed: int, count: int) -> Iterator[bytes | dict[int, str]]:
    """``count`` messages, and what is expected of some of them."""
    draw = Random(seed)
    for frame in frames(seed, count):
        if draw.random() < 0.3:
            yield expected(draw)
        yield frame


def frames(seed: int, count: int) -> Iterator[bytes]:
    draw = Random(seed)
    for _ in range(count):
        kind = draw.random()
        if kind < 0.08:
            yield noise(draw)
        elif kind < 0.45:
            yield mutated(draw, sound(draw))
        else:
            yield sound(draw)


def expected(draw: Random) -> dict[int, str]:
    return {token(draw): draw.choice(MODES) for _ in range(draw.choice((0, 1, 2, 5, 30)))}


def sound(draw: Random) -> bytes:
    """Packets of known lengths, their contents at random: mostly few of any lengths, now and then many of one."""
    if draw.random() < 0.1:
        lengths = [draw.choice(LENGTHS)] * draw.randrange(1, 40)
    else:
        lengths = draw.choices(LENGTHS, k=draw.randrange(5))
    return message([packet(draw, length) for length in lengths])


def packet(draw: Random, length: int) -> bytes:
    return struct.pack(">I", token(draw)) + draw.randbytes(length - 4)


def token(draw: Random) -> int:
    number = draw.randrange(INSTRUMENTS)
    return number << 8 | SEGMENTS[number % len(SEGMENTS)]


def message(packets: list[bytes]) -> bytes:
    return struct.pack(">H", len(packets)) + b"".join(struct.pack(">H", len(one)) + one for one in packets)


def mutated(draw: Random, frame: bytes) -> bytes:
    data = bytearray(frame)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        draw.choice(MUTATIONS)(draw, data)
    return bytes(data)


def noise(draw: Random) -> bytes:
    """Random bytes, often as few as a header has, and often with a count that could be true."""
    data = draw.randbytes(draw.choice((0, 1, 2, 3, 4, 11, 12, 13, draw.randrange(400))))
    return bytes([0, draw.randrange(4)]) + data[2:] if len(data) > 1 and draw.random() < 0.7 else data


def _at(draw: Random, data: bytearray) -> int:
    return draw.randrange(len(data)) if data else 0


def _cut(draw: Random, data: bytearray) -> None:
    del data[_at(draw, data) :]


def _lengthen(draw: Random, data: bytearray) -> None:
    data += draw.randbytes(draw.choice((1, 2, 8, 10, 50)))


def _flip(draw: Random, data: bytearray) -> None:
    if data:
        data[_at(draw, data)] ^= 1 << draw.randrange(8)


def _lie_about_the_count(draw: Random, data: bytearray) -> None:
    count = int.from_bytes(data[:2], "big")
    lie = draw.choice((0, count + 1, max(0, count - 1), 255, 256, 65535))
    data[:2] = struct.pack(">H", lie & 0xFFFF)


def _lie_about_a_length(draw: Random, data: bytearray) -> None:
    ends, at = [], 2
    while at + 2 <= len(data):
        ends.append(at)
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    if ends:
        at = draw.choice(ends)
        length = int.from_bytes(data[at : at + 2], "big")
        lie = draw.choice((0, 1, length - 1, length + 1, *LENGTHS, 0xFFFF, len(data) - at - 2))
        data[at : at + 2] = struct.pack(">H", lie & 0xFFFF)


def _drop_a_piece(draw: Random, data: bytearray) -> None:
    at = _at(draw, data)
    del data[at : at + draw.randrange(1, 60)]


def _repeat_a_piece(draw: Random, data: bytearray) -> None:
    at, to = _at(draw, data), _at(draw, data)
    data[to:to] = data[at : at + draw.randrange(1, 60)]


MUTATIONS = (
    _cut,
    _lengthen,
    _flip,
    _lie_about_the_count,
    _lie_about_a_length,
    _drop_a_piece,
    _repeat_a_piece,
)
