"""The synthetic market: seeded, on a clock of its own, one vectorised step for all instruments that are due.

Time advances in steps of 20 ms from ``start_ns``; an instrument ticks at intervals that scatter by 40 per cent around
its mean, so at most once a step (Kite conflates too). Every step draws from one generator in one order: the same
seed, universe and start give the same bytes on one version of NumPy, however often ``advance`` is called.

The market never closes. Its day began an hour before ``start_ns``, whatever the wall clock says, and its volume
follows the day's curve from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.clock import NS_PER_S
from kitecli.errors import UsageError
from kitecli.market.segments import divisor_of
from kitecli.market.tick import (
    DEPTH_DTYPE,
    FLAG_DEPTH,
    FLAG_INDEX,
    FLAG_OHLC,
    MODE_FULL,
    TICK_DTYPE,
)
from kitecli.sim.books import Books, make_books
from kitecli.sim.prices import SESSION_S, FairPrices
from kitecli.sim.source import Batch, Slots, join, put_depth, take_depth, take_ticks
from kitecli.sim.universe import Listing

STEP_NS: Final = 20_000_000
MAX_RATE: Final = 25.0  # two steps an instrument
SCATTER: Final = 0.4
OPENED_BEFORE_S: Final = 3600
OVERNIGHT_S: Final = 7200  # of movement between the previous close and the open
TRADED: Final = 0.85  # of the updates; the rest change the book only
INDEX_TICK: Final = 5  # wire units: indices are published to 0.05
# A suspended laptop comes back hours later: the market takes a break rather than make up for them.
MAX_CATCH_UP_NS: Final = 60 * NS_PER_S
_U32_MAX: Final = 0xFFFF_FFFF


class SyntheticMarket:
    """A :class:`~kitecli.sim.source.Source` of full ticks of ``universe``, ``rate`` a second of each instrument."""

    mode = MODE_FULL
    lossless = False
    ended = False

    def __init__(self, universe: Sequence[Listing], *, seed: int, rate: float, start_ns: int) -> None:
        if not 0 < rate <= MAX_RATE:
            raise UsageError(
                f"A rate of {rate:g} updates a second isn't possible",
                why=f"the market moves in steps of {STEP_NS // 1_000_000} ms and conflates within them",
                hint=f"Give --rate a number above 0, up to {MAX_RATE:g}",
            )
        self.universe = universe
        self.instruments = [listing.instrument for listing in universe]
        self._rng = np.random.Generator(np.random.SFC64(seed))
        self._start_ns = self._at_ns = start_ns
        self._interval_ns = NS_PER_S / rate
        self._traits = _Traits(universe)
        self._board = np.zeros(len(universe), TICK_DTYPE)
        self._depth = np.zeros(len(universe), DEPTH_DTYPE)
        self._open_day(universe)
        self._due_ns = start_ns + (self._rng.random(len(universe)) * self._interval_ns).astype(np.int64)

    def begin(self, now_ns: int) -> None:
        """Go on at ``now_ns``, without what would have happened until then."""
        self._due_ns += now_ns - self._at_ns
        self._at_ns = now_ns

    def advance(self, now_ns: int) -> Batch:
        """The ticks of every whole step up to ``now_ns``."""
        if now_ns - self._at_ns > MAX_CATCH_UP_NS:
            self.begin(now_ns)
        batches = []
        while self._at_ns + STEP_NS <= now_ns:
            self._at_ns += STEP_NS
            due = np.flatnonzero(self._due_ns <= self._at_ns)
            self._update(due)
            self._reschedule(due)
            batches.append(self.cached(due))
        return join(batches)

    def cached(self, slots: Slots) -> Batch:
        return Batch(slots, take_ticks(self._board, slots), take_depth(self._depth, slots))

    def next_ns(self) -> int:
        return self._at_ns + STEP_NS

    @property
    def tick_sizes(self) -> NDArray[np.int64]:
        """(n,) by slot, in wire units."""
        return self._traits.tick_size

    def _open_day(self, universe: Sequence[Listing]) -> None:
        """Everything as it would stand an hour into the session."""
        everything = np.arange(len(universe))
        opened_ns = self._start_ns - OPENED_BEFORE_S * NS_PER_S
        self._prices = FairPrices(universe, self._rng, opened_ns - OVERNIGHT_S * NS_PER_S)
        self._prices.move(everything, opened_ns)
        board, traits = self._board, self._traits
        board["token"] = traits.token
        board["mode"] = MODE_FULL
        board["flags"] = np.where(traits.is_index, FLAG_INDEX | FLAG_OHLC, FLAG_DEPTH | FLAG_OHLC)
        board["close"] = traits.to_wire(everything, self._prices.closes)
        for name in ("open", "high", "low", "last_price"):
            board[name] = traits.to_wire(everything, self._prices.values)
        self._volume = (traits.volume * day_share(OPENED_BEFORE_S)).astype(np.int64) // traits.lot * traits.lot
        self._turnover = self._volume * board["open"].astype(np.float64)
        self._oi = np.where(traits.is_contract, traits.volume // 2 // traits.lot * traits.lot, 0)
        self._oi_high, self._oi_low = self._oi.copy(), self._oi.copy()
        self._traded_ns = np.full(len(universe), self._start_ns, np.int64)
        self._update(everything)

    def _update(self, slots: Slots) -> None:
        """One tick of each of ``slots`` at the step's time."""
        self._prices.move(slots, self._at_ns)
        indices = slots[self._traits.is_index[slots]]
        if indices.size:
            price = self._traits.to_wire(indices, self._prices.values[indices])
            self._print(indices, price)
        tradable = slots[~self._traits.is_index[slots]] if indices.size else slots
        if tradable.size:
            self._trade(tradable)

    def _reschedule(self, slots: Slots) -> None:
        gap = self._interval_ns * (1 - SCATTER + 2 * SCATTER * self._rng.random(slots.size))
        self._due_ns[slots] += gap.astype(np.int64)

    def _print(self, slots: Slots, price: NDArray[np.int64]) -> None:
        """A new last price, and what follows from it."""
        board = self._board
        board["last_price"][slots] = price
        board["high"][slots] = np.maximum(board["high"][slots], price)
        board["low"][slots] = np.minimum(board["low"][slots], price)
        board["ts_event_s"][slots] = self._at_ns // NS_PER_S

    def _trade(self, slots: Slots) -> None:
        traits, rng, board = self._traits, self._rng, self._board
        tick_size, lot = traits.tick_size[slots], traits.lot[slots]
        fair = self._prices.values[slots] * traits.divisor[slots] / tick_size
        books = make_books(fair, traits.spread[slots], tick_size, lot, rng)
        draws = rng.random((3, slots.size))
        traded = draws[0] < TRADED
        buyer = (draws[1] < 0.5) | (books.bid == 0)
        struck = np.where(buyer, books.ask, books.bid) * tick_size
        price = np.where(traded, struck, board["last_price"][slots])
        self._print(slots, price)
        lots = np.where(traded, 1 + np.minimum(-np.log1p(-draws[2]) * 8, 200).astype(np.int64), 0)
        self._count_volume(slots, price, lots * lot, traded)
        self._move_interest(slots, draws[1] - draws[2])
        self._put_book(slots, books, draws[0])

    def _count_volume(
        self, slots: Slots, price: NDArray[np.int64], quantity: NDArray[np.int64], traded: NDArray[np.bool_]
    ) -> None:
        """The feed shows one trade of the many since the last tick: volume grows by more than its quantity."""
        board, lot = self._board, self._traits.lot[slots]
        passed_s = (self._at_ns - self._traded_ns[slots]) / NS_PER_S
        usual = self._traits.volume[slots] * (volume_curve(self._session_s()) / SESSION_S) * passed_s
        more = (usual * 2 * self._rng.random(slots.size)).astype(np.int64) // lot * lot
        growth = np.where(traded, np.maximum(quantity, more), 0)
        volume = self._volume[slots] + growth
        turnover = self._turnover[slots] + growth * price.astype(np.float64)
        self._volume[slots], self._turnover[slots] = volume, turnover
        self._traded_ns[slots] = np.where(traded, self._at_ns, self._traded_ns[slots])
        board["volume"][slots] = np.minimum(volume, _U32_MAX)
        board["average_price"][slots] = np.rint(turnover / np.maximum(volume, 1))
        board["last_quantity"][slots] = np.where(traded, quantity, board["last_quantity"][slots])

    def _move_interest(self, slots: Slots, drift: NDArray[np.float64]) -> None:
        """``drift``: (n,) between -1 and 1, of four lots."""
        contracts = self._traits.is_contract[slots]
        chosen = slots[contracts]
        if chosen.size:
            lot = self._traits.lot[chosen]
            oi = np.maximum(self._oi[chosen] + (drift[contracts] * 4).astype(np.int64) * lot, 0)
            self._oi[chosen] = oi
            self._oi_high[chosen] = np.maximum(self._oi_high[chosen], oi)
            self._oi_low[chosen] = np.minimum(self._oi_low[chosen], oi)
            self._board["oi"][chosen] = np.minimum(oi, _U32_MAX)

    def _put_book(self, slots: Slots, books: Books, draw: NDArray[np.float64]) -> None:
        depth = books.depth
        for side, name in (("buy", "buy_quantity"), ("sell", "sell_quantity")):
            shown = depth[side]["quantity"].sum(axis=1, dtype=np.int64)
            hidden = shown * (3 + 4 * draw)  # what rests below the five levels
            self._board[name][slots] = np.where(shown, shown + hidden, 0)
        depth["last_trade_time"] = self._traded_ns[slots] // NS_PER_S
        depth["oi_day_high"] = np.minimum(self._oi_high[slots], _U32_MAX)
        low = np.minimum(self._oi_low[slots], _U32_MAX)
        depth["buy"]["pad"][:, 0] = low & 0xFFFF
        depth["buy"]["pad"][:, 1] = low >> 16
        put_depth(self._depth, slots, depth)

    def _session_s(self) -> float:
        return (self._at_ns - self._start_ns) / NS_PER_S + OPENED_BEFORE_S


class _Traits:
    """What doesn't change in a day, (n,) by slot. Tick sizes in wire units, volume in units."""

    def __init__(self, universe: Sequence[Listing]) -> None:
        rows = [listing.instrument for listing in universe]
        self.token = np.array([row.instrument_token for row in rows], np.uint32)
        self.divisor = np.array([divisor_of(row.instrument_token) for row in rows], np.int64)
        self.is_index = np.array([listing.kind == "index" for listing in universe], bool)
        self.is_contract = np.array([row.is_derivative for row in rows], bool)
        tick_size = np.rint(np.array([row.tick_size for row in rows]) * self.divisor).astype(np.int64)
        self.tick_size = np.where(self.is_index, INDEX_TICK, tick_size)
        self.lot = np.maximum(np.array([row.lot_size for row in rows], np.int64), 1)
        self.volume = np.array([listing.volume for listing in universe], np.int64)
        # The touch is about half a basis point wide where a tick is finer than that.
        closes = np.array([listing.close for listing in universe]) * self.divisor
        self.spread = np.maximum(np.rint(closes * 5e-5 / self.tick_size), 1).astype(np.int64)

    def to_wire(self, slots: Slots, rupees: NDArray[np.float64]) -> NDArray[np.int64]:
        """Rounded to the tick size and at least one; an option worth less than a tick still has its last price."""
        tick_size = self.tick_size[slots]
        ticks = np.maximum(np.rint(rupees * self.divisor[slots] / tick_size), 1)
        wire: NDArray[np.int64] = ticks.astype(np.int64) * tick_size
        return wire


def volume_curve(session_s: float) -> float:
    """How busy this moment of the day is, 1 on average: busy at both ends, quiet at noon. Repeats each session."""
    at = session_s % SESSION_S / SESSION_S
    return 0.55 + 5.4 * (at - 0.5) ** 2  # its mean over 0 to 1 is 1


def day_share(session_s: float) -> float:
    """The share of the day's volume done by then: :func:`volume_curve` summed up."""
    at = min(session_s, SESSION_S) / SESSION_S
    return 0.55 * at + 1.8 * ((at - 0.5) ** 3 + 0.125)
