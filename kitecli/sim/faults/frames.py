"""Websocket frames in a stream of bytes, sans I/O: where they end, and whole ones where they must be looked at.

A frame (RFC 6455 section 5.2)::

    0          1          2 … 3            … 9             +4              payload
    +----------+----------+----------------+---------------+---------------+---------
    | F . . .  | M length | length u16 if  | length u64 if | masking key,  |
    |   opcode |   7 bits | it said 126    | it said 127   | if M is set   |
    +----------+----------+----------------+---------------+---------------+---------

F: the message ends here. M: masked, as all a client sends is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
RESERVED: Final = 0x3
"""An opcode that no document gives a meaning."""
_FIN: Final = 0x80
_MASKED: Final = 0x80


class Mark(NamedTuple):
    """A frame that ended ``end`` bytes into the chunk that was looked at."""

    opcode: int
    fin: bool
    payload_bytes: int
    end: int


class FrameScanner:
    """Follows one direction of a stream chunk by chunk; holds no more than a header's beginning."""

    def __init__(self) -> None:
        self._begun = b""
        self._left = 0
        self._opcode = 0
        self._fin = False
        self._payload_bytes = 0
        self._inside = False

    @property
    def at_a_boundary(self) -> bool:
        """Whether the next byte begins a frame."""
        return not self._begun and not self._inside

    def scan(self, chunk: bytes, most: int | None = None) -> tuple[list[Mark], int]:
        """The frames that end in ``chunk``, ``most`` of them, and how many bytes of it were looked at."""
        carried = len(self._begun)
        data = self._begun + chunk if carried else chunk
        marks: list[Mark] = []
        at, size = 0, len(data)
        while most is None or len(marks) < most:
            if not self._inside:
                header = header_bytes(data, at)
                if at + header > size:
                    self._begun = data[at:]
                    return marks, len(chunk)
                self._begin(data, at)
                at += header
            if self._left > size - at:
                self._left -= size - at
                self._begun = b""
                return marks, len(chunk)
            at += self._left
            self._inside = False
            marks.append(Mark(self._opcode, self._fin, self._payload_bytes, at - carried))
        self._begun = b""
        return marks, at - carried

    def _begin(self, data: bytes, at: int) -> None:
        self._opcode, self._fin = data[at] & 0x0F, bool(data[at] & _FIN)
        self._payload_bytes = self._left = payload_bytes(data, at)
        self._inside = True


def header_bytes(data: bytes, at: int) -> int:
    """The length of the header at ``at``; 2 where there isn't enough to know."""
    if len(data) < at + 2:
        return 2
    short = data[at + 1] & 0x7F
    return 2 + (2 if short == 126 else 8 if short == 127 else 0) + (4 if data[at + 1] & _MASKED else 0)


def payload_bytes(data: bytes, at: int) -> int:
    short = data[at + 1] & 0x7F
    if short < 126:
        return short
    return int.from_bytes(data[at + 2 : at + (4 if short == 126 else 10)], "big")


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame; ``wire`` is what was or will be sent."""

    opcode: int
    fin: bool
    wire: bytes

    @property
    def payload(self) -> bytes:
        header = header_bytes(self.wire, 0)
        body = self.wire[header:]
        return unmasked(body, self.wire[header - 4 : header]) if self.wire[1] & _MASKED else body


class FrameBuffer:
    """Gathers bytes until frames are whole."""

    def __init__(self) -> None:
        self._held = b""
        self._scanner = FrameScanner()

    def take(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that ``chunk`` completes. Use them all before the next call."""
        marks, _ = self._scanner.scan(chunk)
        data, shift, at = self._held + chunk, len(self._held), 0
        for mark in marks:
            end = mark.end + shift
            yield Frame(mark.opcode, mark.fin, data[at:end])
            at = end
        self._held = data[at:]

    def release(self) -> bytes:
        """The beginning of a frame that hasn't come whole yet; it is forgotten here."""
        held = self._held
        if held:
            self._held, self._scanner = b"", FrameScanner()
        return held


def make_frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A frame as a server sends it, unmasked."""
    first, size = bytes([(_FIN if fin else 0) | opcode]), len(payload)
    if size < 126:
        return first + bytes([size]) + payload
    if size < 1 << 16:
        return first + bytes([126]) + size.to_bytes(2, "big") + payload
    return first + bytes([127]) + size.to_bytes(8, "big") + payload


def unmasked(body: bytes, key: bytes) -> bytes:
    """Masking is its own inverse. As one big number: a loop over bytes takes 100 times as long."""
    size = len(body)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(body, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")
