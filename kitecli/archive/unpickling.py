"""Pickles of ticks, read without running anything that stands in them.

A pickle names functions and has them called. Here it may name nothing but what makes times; numbers, texts, lists,
tuples and dictionaries need no name. Anything else is refused before it is looked up.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Final

from kitecli.errors import DataError


def load_pickles(data: bytes, name: str) -> Iterator[object]:
    """Every object of a file, called ``name``, of one pickle or several one after the other.

    :raises DataError: it holds other things than times and plain values, or is cut short.
    """
    file = io.BytesIO(data)
    while file.tell() < len(data):
        try:
            yield _Plain(file).load()
        except DataError:
            raise
        except Exception as error:  # noqa: BLE001 - damaged pickles raise whatever their bytes happen to mean
            raise DataError(
                f"{name} can't be read", why=f"{type(error).__name__}: {error}", hint="Is it a whole pickle of ticks?"
            ) from None


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        found = _ALLOWED.get((module, name))
        if found is None:
            raise DataError(
                f"A pickle that names {module}.{name} isn't read",
                why="it could run any program; times and plain values are all that ticks need",
                hint="Save the ticks as JSON, or with times in datetime's own types",
            )
        return found


def _latin1(text: str, encoding: str) -> bytes:
    """How pickles of protocol 2 and below write a time's bytes."""
    if encoding != "latin1":
        raise DataError(f"A pickle with text in {encoding!r} isn't read", why="times are in latin1")
    return text.encode("latin-1")


_ALLOWED: Final[dict[tuple[str, str], Callable[..., object]]] = {
    ("datetime", "datetime"): datetime,
    ("datetime", "date"): date,
    ("datetime", "timedelta"): timedelta,
    ("datetime", "timezone"): timezone,
    ("_codecs", "encode"): _latin1,
}
