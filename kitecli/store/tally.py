"""What records hold, counted: as they are read, or out of indexes, which were made by reading them all."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from kitecli.market.modes import MODES
from kitecli.protocol.layout import HEARTBEAT_LENGTH
from kitecli.store.layout import FIRST_STRUCTURAL, FRAME
from kitecli.store.ticks import TickBatch, TickReader

_FACTS: Final = struct.Struct(f"<Qqq{len(MODES)}Q{FIRST_STRUCTURAL}Q")


@dataclass(slots=True)
class Tally:
    """``records`` by kind; ticks ``by_token`` and by mode (1 ltp, 2 quote, 3 full). Times are epoch nanoseconds, of the
    first and the latest message."""

    heartbeats: int = 0
    records: Counter[int] = field(default_factory=Counter)
    by_token: Counter[int] = field(default_factory=Counter)
    modes: Counter[int] = field(default_factory=Counter)
    first_ns: int | None = None
    last_ns: int | None = None

    BYTES = _FACTS.size

    @property
    def ticks(self) -> int:
        return self.modes.total()

    def add(self, later: Tally) -> None:
        """Count what comes after this, too."""
        self.heartbeats += later.heartbeats
        self.records.update(later.records)
        self.by_token.update(later.by_token)
        self.modes.update(later.modes)
        self._stamped(later.first_ns, later.last_ns)

    def add_records(self, rows: NDArray[np.void]) -> None:
        """Count records of ROW_DTYPE, but for the ticks in them."""
        frames = rows[rows["kind"] == FRAME]
        self.records.update(_counts(rows["kind"]))
        if frames.size:
            self.heartbeats += int((frames["length"] == HEARTBEAT_LENGTH).sum())
            self._stamped(int(frames["ts_recv_ns"][0]), int(frames["ts_recv_ns"].max()))

    def add_ticks(self, batches: Iterator[TickBatch]) -> None:
        for batch in batches:
            self.by_token.update(_counts(batch.ticks["token"]))
            self.modes.update(_counts(batch.ticks["mode"]))

    def facts(self) -> bytes:
        """All but the ticks by token, as an index keeps them (docs/format.md)."""
        modes = [self.modes[mode] for mode in range(1, len(MODES) + 1)]
        kinds = [self.records[kind] for kind in range(FIRST_STRUCTURAL)]
        return _FACTS.pack(self.heartbeats, self.first_ns or 0, self.last_ns or 0, *modes, *kinds)

    @classmethod
    def of_facts(cls, raw: bytes, tokens: NDArray[np.uint32], ticks: NDArray[np.uint32]) -> Self:
        heartbeats, first_ns, last_ns, *counts = _FACTS.unpack(raw)
        modes, kinds = counts[: len(MODES)], counts[len(MODES) :]
        by_token = dict(zip(tokens[ticks > 0].tolist(), ticks[ticks > 0].tolist(), strict=True))
        stamps = (first_ns, last_ns) if kinds[FRAME] else (None, None)
        return cls(heartbeats, _counter(kinds, 0), Counter(by_token), _counter(modes, 1), *stamps)

    def _stamped(self, first_ns: int | None, last_ns: int | None) -> None:
        self.first_ns = first_ns if self.first_ns is None else self.first_ns
        if last_ns is not None:
            self.last_ns = max(self.last_ns or 0, last_ns)


class Counting:
    """Adds what is read to a tally, which has all of it after :meth:`rest`."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._reader: TickReader | None = None

    def take(self, data: bytes | memoryview, rows: NDArray[np.void]) -> None:
        """``rows`` of ROW_DTYPE with ``at`` in ``data``; structural ones don't count."""
        rows = rows[rows["kind"] < FIRST_STRUCTURAL]
        self._reader = self._reader or TickReader()
        self._tally.add_records(rows)
        self._tally.add_ticks(self._reader.take(data, rows[rows["kind"] == FRAME]))

    def rest(self) -> None:
        if self._reader is not None:
            self._tally.add_ticks(self._reader.rest())


def _counts(values: NDArray[np.unsignedinteger]) -> dict[int, int]:
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _counter(counts: list[int], first: int) -> Counter[int]:
    return Counter({number: count for number, count in enumerate(counts, first) if count})
