"""Which tick a service hands out next, by its policy, with each one that isn't handed out counted.

A callback may take a hundred milliseconds a tick, so a batch that was fresh when it was read may be minutes old at its
end. The reader's policy alone can't help there: between two ticks it is asked again, at most every ``RENEW_S``.

``produced == handed + conflated + lost + passed over + waiting``: of these, the reader counts what it conflated and
lost itself, the feed what it passed over, and this the rest.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

from kitecli.errors import UsageError
from kitecli.gateway.feed import Feed
from kitecli.market.view import Tick, ticks_of
from kitecli.ring.policy import Policy
from kitecli.ring.reader import Batch

RENEW_S: Final = 0.005
"""How old what is known of the ring may be when a tick is handed out."""


class Supply:
    """Iterate over it for ticks, and None where none came for a turn.

    ``on_batch`` sees each batch as it is read and says whether its ticks are wanted one by one.
    ``handed``: ticks given out. ``conflated``, ``lost``: taken from the reader and replaced or dropped here.
    """

    def __init__(
        self, feed: Feed, max_lag: int, on_batch: Callable[[Batch], bool], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.handed = 0
        self.conflated = 0
        self.lost = 0
        self._feed = feed
        self._max_lag = max_lag
        self._on_batch = on_batch
        self._now_s = now_s

    def __iter__(self) -> Iterator[Tick | None]:
        kinds = {Policy.EVERY: self._every, Policy.LATEST: self._latest, Policy.DROP_OLDEST: self._recent}
        ticks = kinds[self._feed.reader.policy]
        for batch in self._feed.batches():
            if batch is not None and self._on_batch(batch):
                yield from ticks(batch)
            else:
                self.handed += 0 if batch is None else len(batch)
                yield None

    def _every(self, batch: Batch) -> Iterator[Tick]:
        for tick in _ticks(batch):
            self.handed += 1
            yield tick

    def _latest(self, batch: Batch) -> Iterator[Tick]:
        """The newest of each instrument, in the order in which they began to wait: none waits for ever."""
        waiting = OrderedDict((tick.instrument_token, tick) for tick in _ticks(batch))
        renew_s = self._now_s() + RENEW_S
        while waiting:
            _, tick = waiting.popitem(last=False)
            self.handed += 1
            yield tick
            if self._now_s() > renew_s:
                self._renew(waiting)
                renew_s = self._now_s() + RENEW_S

    def _renew(self, waiting: OrderedDict[int, Tick]) -> None:
        batch = self._feed.poll()
        if batch is None:
            return
        self._on_batch(batch)
        for tick in _ticks(batch):
            self.conflated += tick.instrument_token in waiting
            waiting[tick.instrument_token] = tick

    def _recent(self, batch: Batch) -> Iterator[Tick]:
        """Each tick in its order, but for those that more than ``max_lag`` have followed by now."""
        cursor = self._feed.reader.view.cursor
        floor, renew_s = 0, self._now_s() + RENEW_S
        for sequence, tick in zip(batch.sequences.tolist(), _ticks(batch), strict=True):
            if self._now_s() > renew_s:
                floor, renew_s = cursor() - self._max_lag, self._now_s() + RENEW_S
            if sequence < floor:
                self.lost += 1
            else:
                self.handed += 1
                yield tick


def _ticks(batch: Batch) -> Iterator[Tick]:
    return ticks_of(batch.ticks, batch.depth, batch.first_sequence if batch.scattered is None else batch.scattered)


def policy_named(name: str | Policy) -> Policy:
    """Raises UsageError for what is none."""
    try:
        return Policy(name)
    except ValueError:
        choice = ", ".join(Policy)
        raise UsageError(f"{name!r} is no policy", why=f"the choice is {choice}", hint="name one of them") from None
