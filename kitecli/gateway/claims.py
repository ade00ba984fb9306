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
from kitecli.feed.subscriptions import too_many

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

    def __contains__(self, token: object) -> bool:
        """Whether an instrument is wanted."""
        return token in self._counts

    def wanted(self) -> dict[int, str]:
        """The instruments wanted, with their modes."""
        return {token: _highest(counts) for token, counts in self._counts.items()}

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
        total = len(self._counts) + sum(token not in self._counts for token in modes)
        if total > self._limit:
            raise self._too_many(total, client)
        held, counts, change = self._held.setdefault(client, {}), self._counts, Change()
        for token, mode in modes.items():
            before, one = counts.get(token, 0), _ONE[mode]
            if token in held:
                self._turn(token, held[token], mode, change)
            else:
                counts[token] = before + one
                if before < one:  # nobody holds it in this mode, or a higher one
                    change.want[token] = mode
        held.update(modes)
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

    def _turn(self, token: int, former: str, mode: str, change: Change) -> None:
        """A client that holds ``token`` already holds it in another mode from now on."""
        before = self._counts[token]
        after = self._counts[token] = before + _ONE[mode] - _ONE[former]
        if _highest(before) != _highest(after):
            change.want[token] = _highest(after)

    def _reduce(self, token: int, mode: str, change: Change) -> None:
        one = _ONE[mode]
        after = self._counts[token] = self._counts[token] - one
        if not after:
            del self._counts[token]
            change.drop.append(token)
        elif after < one:  # nobody holds it in this mode any more, nor in a higher one
            change.want[token] = _highest(after)

    def _too_many(self, total: int, client: int) -> TooManyInstruments:
        others = len(self._counts) - self.count(client)
        why = f"other clients of this feed hold {others:,} that you don't" if others > 0 else "the broker's limit"
        return too_many(total, self._limit, why)


def _highest(counts: int) -> str:
    return "full" if counts >= _ONE["full"] else "quote" if counts >= _ONE["quote"] else "ltp"
