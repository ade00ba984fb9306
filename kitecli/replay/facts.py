"""How the feed was set up that a recording is of: what its bars span, and when its instruments traded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from kitecli.bars.hours import from_text
from kitecli.bars.intervals import Interval
from kitecli.bars.layout import DEFAULT_CAPACITY, BarsLayout
from kitecli.bars.memory import BarsMemory
from kitecli.bars.timeline import Timelines
from kitecli.errors import DataError
from kitecli.ring.layout import DEFAULT_BOARD_CAPACITY, RingLayout, round_up
from kitecli.ring.memory import RingMemory
from kitecli.store.recording import Recording

RING_SIZE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """``ring_size`` in ticks; ``intervals``: the bars it built, ``bar_capacity`` closed ones of each kept;
    ``timelines`` as :mod:`kitecli.bars.hours` has it."""

    ring_size: int = RING_SIZE
    intervals: tuple[str, ...] = ()
    bar_capacity: int = DEFAULT_CAPACITY
    bar_grace_ms: int = 1500
    timelines: str = ""

    @classmethod
    def of(cls, recording: Recording) -> Self | None:
        """What the recorder noted; None where it noted nothing. Raises :class:`DataError` for what can't be used."""
        for segment in recording.segments():
            if isinstance(said := segment.header.about.get("feed"), Mapping):
                return cls._read(said, str(segment.path))
        return None

    def hours(self) -> Timelines:
        return from_text(self.timelines)

    def ring(self, rows: int = DEFAULT_BOARD_CAPACITY) -> RingMemory:
        """Private memory laid out as the feed's was. ``rows``: of the board."""
        return RingMemory.private(RingLayout.of(self.ring_size, rows))

    def bars(self, rows: int = DEFAULT_BOARD_CAPACITY) -> BarsMemory | None:
        """Likewise; None where it built none."""
        if not self.intervals:
            return None
        intervals = tuple(map(Interval.parse, self.intervals))
        layout = BarsLayout(round_up(rows), round_up(self.bar_capacity), len(intervals))
        return BarsMemory.private(layout, intervals, self.bar_grace_ms)

    @classmethod
    def _read(cls, said: Mapping[str, object], where: str) -> Self:
        intervals, timelines = said.get("intervals", []), said.get("timelines", "")
        numbers = [said.get(name, usual) for name, usual in _NUMBERS.items()]
        whole = [number for number in numbers if isinstance(number, int) and 0 <= number < 1 << 31]
        names = [name for name in intervals if isinstance(name, str)] if isinstance(intervals, list) else []
        if len(whole) < len(numbers) or names != intervals or not isinstance(timelines, str):
            raise DataError(f"What {where} says of its feed can't be used", why="it isn't as docs/format.md has it")
        ring_size, capacity, grace_ms = whole
        return cls(ring_size, tuple(names), capacity, grace_ms, timelines)


_NUMBERS: Final = {"ring_size": RING_SIZE, "bar_capacity": DEFAULT_CAPACITY, "bar_grace_ms": 1500}
