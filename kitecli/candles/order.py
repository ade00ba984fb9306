"""An order for candles: which instruments, which days, into which files; and what became of each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final
from urllib.parse import quote

import numpy as np

from kitecli.broker.historical import Candles
from kitecli.candles.download import Downloader, Series, requests_for
from kitecli.candles.holes import Found, look
from kitecli.candles.output import Writer, file_name, is_file, writing
from kitecli.candles.parts import Parts
from kitecli.candles.plan import Days
from kitecli.errors import BrokerError, BrokerUnavailable, KiteError
from kitecli.market.calendar import Calendar
from kitecli.market.instruments import Instrument

SIMULATED_KEPT_S: Final = 86_400.0
"""How long pieces of a simulated exchange are kept: another one has another past."""


@dataclass(frozen=True, slots=True)
class Order:
    """``out``: a file for all of them, by its ending, or a folder for a file each. ``form``: csv, ndjson or parquet.

    ``again``: ask for everything anew: the broker corrects the past when shares are split.
    """

    instruments: Sequence[Instrument]
    interval: str
    days: Days
    out: Path
    form: str
    continuous: bool = False
    oi: bool = False
    again: bool = False

    def series(self, home: Path) -> list[Series]:
        """What is to be downloaded, with its pieces below ``home``."""
        extras = ("-continuous" if self.continuous else "") + ("-oi" if self.oi else "")
        return [
            Series(row, self.interval, Parts(home / (self.interval + extras) / _folder(row)), self.continuous, self.oi)
            for row in self.instruments
        ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``unsettled``: candles that may still change. ``file`` None and ``error`` set where it couldn't be had."""

    instrument: str
    candles: int = 0
    unsettled: int = 0
    found: Found | None = None
    file: Path | None = None
    error: KiteError | None = None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        found = self.found
        return {
            "instrument": self.instrument,
            "candles": self.candles,
            "first": _text(found.first if found else None),
            "last": _text(found.last if found else None),
            "holes": [str(day) for day in found.holes] if found else [],
            "trading_days_before": found.before if found else 0,
            "checked": [str(found.checked.first), str(found.checked.last)] if found and found.checked else None,
            "unsettled": self.unsettled,
            "file": str(self.file) if self.file else None,
            "error": self.error.as_dict() if self.error else None,
        }


def requests_of(order: Order, spans: Mapping[str, int], home: Path) -> int:
    """How many requests it takes. With ``again``, what is kept goes now."""
    series = order.series(home)
    if order.again:
        for one in series:
            one.parts.forget()
    return sum(len(requests_for(one, order.days, spans)) for one in series)


def deliver(
    order: Order, downloader: Downloader, calendar: Calendar, home: Path, begin: Callable[[str], None]
) -> list[Outcome]:
    """Download and write everything; ``begin`` is called with each instrument's name.

    What the broker refuses of one instrument is in its outcome. Raises :class:`KiteError` for what concerns all:
    a session that has ended, a broker that can't be had, a disk that is full; pieces that came stay.
    """
    outcomes = []
    with _all_in_one(order) as together:
        for series in order.series(home):
            name = series.instrument.key
            begin(name)
            try:
                candles = downloader.bring(series, order.days)
            except BrokerUnavailable:
                raise
            except BrokerError as error:
                outcomes.append(Outcome(name, error=error))
                continue
            file = _write(order, name, candles, together)
            found = look(candles, downloader.settled(order.days), calendar, series.instrument.exchange)
            unsettled = int(np.count_nonzero(~candles["settled"]))
            outcomes.append(Outcome(name, candles.size, unsettled, found, file))
        _check_any(outcomes)
    return outcomes


def forget_simulated(folder: Path, now_s: float) -> None:
    """Remove the pieces of simulated exchanges of the day before."""
    for old in folder.glob("sim-*"):
        with suppress(OSError):  # another kite just did it
            if now_s - old.stat().st_mtime > SIMULATED_KEPT_S:
                shutil.rmtree(old)


def _check_any(outcomes: Sequence[Outcome]) -> None:
    """A file with nothing in it helps nobody."""
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if errors and len(errors) == len(outcomes):
        raise errors[0]


@contextmanager
def _all_in_one(order: Order) -> Iterator[Writer | None]:
    shared = writing(order.out, order.form, oi=order.oi) if is_file(order.out) else nullcontext(None)
    with shared as writer:
        yield writer


def _write(order: Order, name: str, candles: Candles, together: Writer | None) -> Path:
    if together is not None:
        together(name, candles)
        return order.out
    path = order.out / file_name(name, order.interval, order.days, order.form)
    with writing(path, order.form, oi=order.oi) as writer:
        writer(name, candles)
    return path


def _folder(row: Instrument) -> str:
    """Tokens are given to other contracts later, and symbols have letters that no file name may have."""
    return f"{row.exchange}-{quote(row.tradingsymbol, safe='')}-{row.instrument_token}"


def _text(day: date | None) -> str | None:
    return str(day) if day else None
