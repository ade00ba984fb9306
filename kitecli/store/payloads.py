"""What records other than messages say, as bytes and back. docs/format.md draws them. Sans I/O."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from kitecli.market.gap import Gap
from kitecli.market.modes import MODES
from kitecli.store.layout import LOST_PAYLOAD

_GAP: Final = struct.Struct("<qqqII")
_CLOCK: Final = struct.Struct("<qq")
_UNRECORDED: Final = struct.Struct("<qqQQ")
_TIMER: Final = struct.Struct("<I")
TIMER_ROWS: Final = 500
_UNKNOWN: Final = -1


@dataclass(slots=True)
class Unrecorded:
    """Messages that came and found no room, with their stamps; one record, however many there were."""

    from_ns: int = 0
    to_ns: int = 0
    messages: int = 0
    size: int = 0

    BYTES: ClassVar[int] = _UNRECORDED.size

    def add(self, size: int, ts_recv_ns: int) -> None:
        if not self.messages:
            self.from_ns = ts_recv_ns
        self.to_ns = max(self.to_ns, ts_recv_ns)
        self.messages += 1
        self.size += size

    def encoded(self) -> bytes:
        return _UNRECORDED.pack(self.from_ns, self.to_ns, self.messages, self.size)

    @classmethod
    def decoded(cls, payload: bytes | memoryview) -> Unrecorded:
        return cls(*_UNRECORDED.unpack_from(payload))

    def as_gap(self) -> Gap:
        """Every instrument of every connection may be missing something."""
        cause = f"not recorded: {self.messages:,} messages of {self.size:,} bytes found no room"
        return Gap(0, (), self.from_ns, self.to_ns, cause)


@dataclass(frozen=True, slots=True)
class Lost:
    """Records that were there and aren't any more: their numbers up to ``until``, and the stamps around them."""

    until: int
    from_ns: int
    to_ns: int
    size: int

    def encoded(self) -> bytes:
        return LOST_PAYLOAD.pack(self.until, self.from_ns, self.to_ns, self.size)

    @classmethod
    def decoded(cls, payload: bytes | memoryview) -> Lost:
        return cls(*LOST_PAYLOAD.unpack_from(payload))

    def as_gap(self, first: int) -> Gap:
        cause = f"lost to damage: {self.until - first:,} records in {self.size:,} bytes"
        return Gap(0, (), self.from_ns, self.to_ns, cause)


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """How far this machine's clock was ahead of ``source``'s, give or take ``error_ns``."""

    offset_ns: int
    error_ns: int
    source: str

    def encoded(self) -> bytes:
        return _CLOCK.pack(self.offset_ns, self.error_ns) + self.source.encode()

    @classmethod
    def decoded(cls, payload: bytes | memoryview) -> ClockOffset:
        offset_ns, error_ns = _CLOCK.unpack_from(payload)
        return cls(offset_ns, error_ns, bytes(payload[_CLOCK.size :]).decode())


def encode_timer(rows: int) -> bytes:
    """Of how many instruments bars were closed; the usual number needn't be said."""
    return b"" if rows == TIMER_ROWS else _TIMER.pack(rows)


def decode_timer(payload: bytes | memoryview) -> int:
    """Of how many instruments bars were closed."""
    return int(_TIMER.unpack_from(payload)[0]) if payload else TIMER_ROWS


def encode_gap(gap: Gap) -> bytes:
    cause, tokens = gap.cause.encode(), np.array(gap.tokens, "<u4")
    to_ns = _UNKNOWN if gap.to_ns is None else gap.to_ns
    sequence = _UNKNOWN if gap.sequence is None else gap.sequence
    return _GAP.pack(gap.from_ns, to_ns, sequence, tokens.size, len(cause)) + tokens.tobytes() + cause


def decode_gap(payload: bytes | memoryview, connection: int) -> Gap:
    from_ns, to_ns, sequence, count, cause_bytes = _GAP.unpack_from(payload)
    tokens = tuple(int(token) for token in np.frombuffer(payload, "<u4", count, _GAP.size))
    at = _GAP.size + 4 * count
    cause = bytes(payload[at : at + cause_bytes]).decode()
    known = (None if value == _UNKNOWN else value for value in (to_ns, sequence))
    to, number = known
    return Gap(connection, tokens, from_ns, to, cause, number)


def encode_subscribed(modes: Mapping[int, str | None]) -> bytes:
    """What was asked of the broker on one connection: token → mode, None where it was unsubscribed."""
    codes = {token: 0 if mode is None else MODES.index(mode) + 1 for token, mode in modes.items()}
    return np.array(list(codes.items()), "<u4").tobytes()


def decode_subscribed(payload: bytes | memoryview) -> dict[int, str | None]:
    pairs = np.frombuffer(payload, "<u4").reshape(-1, 2)
    return {int(token): MODES[int(code) - 1] if code else None for token, code in pairs}


def encode_placed(timelines_of: Mapping[int, int]) -> bytes:
    """Instruments that keep other hours than their segment: token → number of their timeline."""
    return np.array(list(timelines_of.items()), "<u4").tobytes()


def decode_placed(payload: bytes | memoryview) -> dict[int, int]:
    return {int(token): int(place) for token, place in np.frombuffer(payload, "<u4").reshape(-1, 2)}
