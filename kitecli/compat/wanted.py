"""What one script asked for: token → mode. Sans I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import index

from kitecli.errors import SubscriptionError
from kitecli.feed.subscriptions import check_wish, too_many
from kitecli.protocol.layout import MODE_CODES, MODES


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
        if mode not in MODES:
            raise SubscriptionError(
                f"{mode!r} is no mode", why=f"the ticker knows {', '.join(MODES)}", hint="use MODE_FULL and so on"
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
            raise too_many(total, self._limit, "of this request none was taken")
        return modes


def sorted_out(tokens: object) -> tuple[list[int], SubscriptionError | None]:
    """The instrument tokens among ``tokens``, NumPy's integers too; and what is wrong with the others, if any."""
    good: list[int] = []
    wrong: list[SubscriptionError] = []
    for token in tokens if isinstance(tokens, Iterable) and not isinstance(tokens, str | bytes) else [tokens]:
        number = _number(token)
        try:
            check_wish(number, MODES[0])
            good.append(int(number))  # type: ignore[call-overload]  # it is one, or the check had raised
        except SubscriptionError as error:
            wrong.append(error)
    return good, _of_all(wrong) if wrong else None


def _of_all(wrong: list[SubscriptionError]) -> SubscriptionError:
    """One error for all: the first, and how many more."""
    first, more = wrong[0], len(wrong) - 1
    why = f"{first.why}; {more} more of this request are none either" if more else first.why
    return SubscriptionError(first.what, why=why, hint=f"{first.hint}; the others were taken")


def _number(token: object) -> object:
    """A plain integer of what can be one; booleans can't."""
    return token if isinstance(token, bool) or not hasattr(token, "__index__") else index(token)
