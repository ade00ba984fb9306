"""A string that never shows itself: not in ``repr``, ``str``, ``format``, a traceback's locals, a log or a pickle."""

from __future__ import annotations

from typing import NoReturn

MASK = "********"


class Secret:
    """Wraps a secret; :meth:`reveal` is the one way to read it, so that every use can be found by searching for it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret can't be pickled; hand it over by a pipe, deliberately")
