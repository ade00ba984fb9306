"""Who wants which instruments. Sans I/O.

An instrument is wanted while any client holds it, in the highest mode any of them holds it in. So that one client of
many can leave in time that depends on its own instruments only, each instrument has three counts, in one number::

    bits 32…    16…31     0…15
    | full    | quote   | ltp     |   how many clients hold it in that mode
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from kitecli.errors import TooManyInstruments

_ONE: Final = {"ltp": 1, "quote": 1 << 16, "full": 1 << 32}


@dataclass(frozen=True, slots=True)
class Change:
    """What has to happen for the feed to stream what is wanted now."""

    want: dict[int, str] = field(default_factory=dict)
    drop: list[int] = field(default_factory=list)


class Claims:
    """What each client holds. ``limit``: instruments the account may stream at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[int, dict[int, str]] = {}
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        """How many instruments are wanted."""
        return len(self._counts)

    def wanted(self, tokens: Iterable[int]) -> dict[int, str]:
        """Those of ``tokens`` that are wanted, with their modes."""
        counts = self._counts
        return {token: _highest(counts[token]) for token in tokens if token in counts}

    def held(self, client: int) -> dict[int, str]:
        """What ``client`` holds."""
        return dict(self._held.get(client, {}))

    def count(self, client: int) -> int:
        """How many instruments ``client`` holds."""
        return len(self._held.get(client, {}))

    def hold(self, client: int, modes: Mapping[int, str]) -> Change:
        """``client`` holds these from now on, or holds them in another mode than before.

        Raises :class:`TooManyInstruments`, and nothing has changed, where the account's limit would be passed.
        """
        fresh = sum(token not in self._counts for token in modes)
        if len(self._counts) + fresh > self._limit:
            raise self._too_many(len(self._counts) + fresh, client)
        held, change = self._held.setdefault(client, {}), Change()
        for token, mode in modes.items():
            before = self._counts.get(token, 0)
            former = held.get(token)
            after = before + _ONE[mode] - (_ONE[former] if former else 0)
            self._counts[token], held[token] = after, mode
            if not before or _highest(before) != _highest(after):
                change.want[token] = _highest(after)
        return change

    def let_go(self, client: int, tokens: Iterable[int]) -> Change:
        """``client`` holds these no longer; those it didn't hold are passed over."""
        held, change = self._held.get(client, {}), Change()
        for token in tokens:
            if (mode := held.pop(token, None)) is not None:
                self._reduce(token, mode, change)
        return change

    def release(self, client: int) -> Change:
        """``client`` is gone, and holds nothing."""
        change = Change()
        for token, mode in self._held.pop(client, {}).items():
            self._reduce(token, mode, change)
        return change

    def _reduce(self, token: int, mode: str, change: Change) -> None:
        before = self._counts[token]
        after = before - _ONE[mode]
        if not after:
            del self._counts[token]
            change.drop.append(token)
            return
        self._counts[token] = after
        if _highest(before) != _highest(after):
            change.want[token] = _highest(after)

    def _too_many(self, total: int, client: int) -> TooManyInstruments:
        others = len(self._counts) - self.count(client)
        return TooManyInstruments(
            f"{total:,} instruments are more than the {self._limit:,} one account may stream",
            why=f"other clients of this feed hold {others:,} that you don't" if others > 0 else "the broker's limit",
            hint="unsubscribe some first, or choose fewer",
        )


def _highest(counts: int) -> str:
    return "full" if counts >= _ONE["full"] else "quote" if counts >= _ONE["quote"] else "ltp"
