"""What one script asked for: token → mode. Sans I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import index

from kitecli.errors import SubscriptionError, TooManyInstruments
from kitecli.protocol.layout import MODE_CODES
from kitecli.protocol.messages import MAX_TOKEN


class Wanted:
    """The table a feed is asked for. Unlike the broker's, it takes no token back to quote for being named again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.modes: dict[int, str] = {}
        self.codes: dict[int, int] = {}
        """The same in the record's codes, for whoever sorts ticks."""

    def subscribed(self, tokens: Iterable[int]) -> dict[int, str]:
        """``tokens`` with their modes, quote unless they have one: what a subscription would take."""
        return self._fitting({token: self.modes.get(token, "quote") for token in tokens})

    def in_mode(self, mode: str, tokens: Iterable[int]) -> dict[int, str]:
        """``tokens`` in ``mode``, known or not, as the broker has it."""
        if mode not in MODE_CODES:
            raise SubscriptionError(
                f"{mode!r} is no mode", why=f"the ticker knows {', '.join(MODE_CODES)}", hint="use MODE_FULL and so on"
            )
        return self._fitting(dict.fromkeys(tokens, mode))

    def take(self, modes: Mapping[int, str]) -> None:
        """Want these, or in another mode than before."""
        self.modes.update(modes)
        self.codes.update((token, MODE_CODES[mode]) for token, mode in modes.items())

    def drop(self, tokens: Iterable[int]) -> list[int]:
        """Stop wanting ``tokens``; returns those that were wanted."""
        gone = [token for token in tokens if self.modes.pop(token, None) is not None]
        for token in gone:
            del self.codes[token]
        return gone

    def _fitting(self, modes: dict[int, str]) -> dict[int, str]:
        total = len(self.modes) + sum(token not in self.modes for token in modes)
        if total > self._limit:
            raise TooManyInstruments(
                f"{total:,} instruments are more than the {self._limit:,} one account may stream",
                why="of this request none was taken",
                hint="unsubscribe some first",
            )
        return modes


def sorted_out(tokens: object) -> tuple[list[int], list[object]]:
    """The instrument tokens among ``tokens``, NumPy's integers too, and what is none: the broker would ignore it."""
    good: list[int] = []
    bad: list[object] = []
    for token in tokens if isinstance(tokens, Iterable) and not isinstance(tokens, str | bytes) else [tokens]:
        number = _number(token)
        if number is None:
            bad.append(token)
        else:
            good.append(number)
    return good, bad


def no_tokens(bad: list[object]) -> SubscriptionError:
    """What to say of them."""
    shown = ", ".join(repr(token) for token in bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
    return SubscriptionError(
        f"{shown}: no instrument token",
        why="the ticker takes lists of whole numbers and ignores anything else without a word",
        hint="the others were taken; look the symbol up first, INFY on NSE is 408065",
    )


def _number(token: object) -> int | None:
    if isinstance(token, bool):
        return None
    try:
        number = index(token)  # type: ignore[arg-type]  # whatever can't be one raises
    except TypeError:
        return None
    return number if 0 < number <= MAX_TOKEN else None
