"""A recording as a source: every packet of a day is sent once, in its order, at the pace it was received.

Snapshots are among them: who subscribes as the recorded feed did gets what that got. Nothing is dropped: a client that
doesn't read makes the day wait.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from kitecli.clock import NS_PER_S
from kitecli.market.tick import DEPTH_DTYPE, MODE_FULL, TICK_DTYPE
from kitecli.sim.source import Batch, Records, Slots, put_depth, put_ticks, take_depth, take_ticks
from kitecli.sim.tape import BATCH_ROWS
from kitecli.store.instruments import instruments_of, tokens_of
from kitecli.store.recording import Recording
from kitecli.store.spans import Span, nothing_recorded, span_of
from kitecli.store.ticks import TickBatch

_NEVER_NS = 2**63 - 1


class RecordedSource:
    """A :class:`~kitecli.sim.source.Source` of a day's folder, or of one of its files.

    ``speed``: times as fast as recorded; 0 is as fast as the clients read. ``start``, ``to``: "HH:MM[:SS]" of the day,
    IST, ``to`` not included. ``symbols``: none for all instruments. ``past_damage``: go on behind what can't be read.
    Raises DataError for a folder without a recording, RecordingDamaged where it comes to damage, UnknownInstrument for
    a name it hasn't got, UsageError for a span with nothing in it.
    """

    mode = MODE_FULL
    lossless = True

    def __init__(
        self,
        place: Path,
        *,
        speed: float = 1.0,
        start: str = "",
        to: str = "",
        symbols: Collection[str] = (),
        past_damage: bool = False,
    ) -> None:
        self._recording = Recording.open(place, past_damage=past_damage)
        self._speed = speed
        try:
            self._begin_with(span_of(self._recording.day, start, to), tokens_of(self._recording, symbols))
        except BaseException:
            self.close()
            raise

    def _begin_with(self, span: Span, tokens: Collection[int]) -> None:
        recorded = instruments_of(self._recording)
        self.instruments = [one for one in recorded if not tokens or one.instrument_token in tokens]
        self._tokens = np.array([one.instrument_token for one in self.instruments], np.uint32)
        self._batches: Iterator[TickBatch] = self._recording.ticks(tokens, span.from_ns, span.to_ns, depth=True)
        self._high_ns = self._at = 0
        self._board = np.zeros(self._tokens.size, TICK_DTYPE)
        self._board_depth = np.zeros(self._tokens.size, DEPTH_DTYPE)
        self.ended = False
        self._load()
        if self.ended:
            raise nothing_recorded(self._recording.place, span, some=bool(tokens))
        self._origin_ns = int(self._instants[0])
        self._begun_ns = self._now_ns = 0

    def close(self) -> None:
        """Let go of the recording's files."""
        self._recording.close()

    def begin(self, now_ns: int) -> None:
        self._begun_ns = self._now_ns = now_ns

    def advance(self, now_ns: int) -> Batch:
        """The next packets that are due, a thousand at most."""
        self._now_ns = now_ns
        end = min(int(np.searchsorted(self._instants, self._due_ns(now_ns), "right")), self._at + BATCH_ROWS)
        rows = slice(self._at, max(end, self._at))
        self._at = rows.stop
        slots, ticks, depth = self._slots[rows], self._ticks[rows], self._depth[rows]
        put_ticks(self._board, slots, ticks)
        put_depth(self._board_depth, slots, depth)
        if self._at == self._ticks.size:
            self._load()
        return Batch(slots, ticks, depth)

    def cached(self, slots: Slots) -> Batch:
        slots = slots[self._board["token"][slots] != 0]
        return Batch(slots, take_ticks(self._board, slots), take_depth(self._board_depth, slots))

    def next_ns(self) -> int:
        if self.ended:
            return _NEVER_NS
        if not self._speed:
            return self._now_ns
        return self._begun_ns + round((int(self._instants[self._at]) - self._origin_ns) / self._speed)

    def rows_of(self, slot: int) -> Records:
        """All ticks of an instrument, sent already or not; without a stamp of the exchange they have ours."""
        found = [batch.ticks for batch in self._recording.ticks([int(self._tokens[slot])])]
        ticks = np.concatenate(found) if found else np.zeros(0, TICK_DTYPE)
        unstamped = ticks["ts_event_s"] == 0
        ticks["ts_event_s"][unstamped] = ticks["ts_recv_ns"][unstamped] // NS_PER_S
        return ticks

    def _load(self) -> None:
        """The next batch that has instruments we know, or the end."""
        for batch in self._batches:
            slots = np.minimum(np.searchsorted(self._tokens, batch.ticks["token"]), self._tokens.size - 1)
            known = np.flatnonzero(self._tokens[slots] == batch.ticks["token"])
            if known.size and batch.depth is not None:
                self._slots, self._ticks = slots[known], take_ticks(batch.ticks, known)
                self._depth, self._at = take_depth(batch.depth, known), 0
                self._instants = np.maximum(np.maximum.accumulate(self._ticks["ts_recv_ns"]), self._high_ns)
                self._high_ns = int(self._instants[-1])
                return
        self.ended = True

    def _due_ns(self, now_ns: int) -> int:
        if self.ended:
            return -1
        return self._origin_ns + round((now_ns - self._begun_ns) * self._speed) if self._speed else _NEVER_NS
