"""What was downloaded of one instrument, in one interval: a file for each piece, named by the days it is complete for.

::

    historical/api.kite.trade/minute/NSE-INFY-408065/2026-01-01_2026-03-01.npy        these days will not change
                                                     2026-11-20_2026-11-20.open.npy   a day that wasn't over

The names are the record of what is there: a piece appears whole, after it has come, so a download that was killed goes
on where it was and no second file can contradict the first. Days without candles are there too, as empty pieces.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from kitecli.broker.historical import CANDLE_DTYPE, Candles
from kitecli.candles.plan import Days
from kitecli.errors import DataError
from kitecli.files import write_whole
from kitecli.market.calendar import midnight_s
from kitecli.market.calendar.session import DAY_S

_NAME: Final = re.compile(r"(\d{4}-\d\d-\d\d)_(\d{4}-\d\d-\d\d)(\.open)?\.npy")


class Parts:
    """The pieces in ``folder``, which is made when something is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def had(self) -> list[Days]:
        """The days that need not be asked for again."""
        return [days for days, is_open, _ in self._files() if not is_open]

    def keep(self, days: Days, candles: Candles, *, is_open: bool = False) -> None:
        """Keep a piece. What of its days was open before goes. Raises :class:`EnvironmentProblem`."""
        content = io.BytesIO()
        np.save(content, candles, allow_pickle=False)
        path = self.folder / f"{days}{'.open' if is_open else ''}.npy"
        write_whole(path, content.getvalue())
        for other, was_open, old in self._files():
            if was_open and old != path and other.meets(days):
                old.unlink(missing_ok=True)

    def read(self, days: Days) -> Candles:
        """(n,) CANDLE_DTYPE of those days, by time, each start once; a complete piece wins over an open one.

        :raises DataError: a piece is damaged. It is removed, so that the next download brings it again.
        """
        files = sorted(self._files(), key=lambda file: not file[1])
        parts = [_read(path) for piece, _, path in files if piece.meets(days)]
        joined = np.concatenate([np.zeros(0, CANDLE_DTYPE), *parts])
        starts, lasts = np.unique(joined["start_s"][::-1], return_index=True)
        since, until = (np.searchsorted(starts, edge) for edge in _edges_s(days))
        return joined[::-1][lasts[since:until]]

    def forget(self) -> None:
        """Remove all pieces."""
        for _, _, path in self._files():
            path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[Days, bool, Path]]:
        for path in sorted(self.folder.glob("*.npy")):
            if found := _NAME.fullmatch(path.name):
                yield Days(date.fromisoformat(found[1]), date.fromisoformat(found[2])), bool(found[3]), path


def _read(path: Path) -> Candles:
    try:
        found: Candles = np.load(path, allow_pickle=False)
        if found.dtype != CANDLE_DTYPE:
            raise ValueError(f"it holds {found.dtype}")
    except (OSError, ValueError, EOFError) as error:
        path.unlink(missing_ok=True)
        raise DataError(
            f"{path} can't be read", why=str(error), hint="It was removed: run the same command again"
        ) from error
    return found


def _edges_s(days: Days) -> tuple[int, int]:
    """Midnight in India before the days, and after them."""
    return midnight_s(days.first), midnight_s(days.last) + DAY_S
