"""Builds the master's index from its rows or its CSV: compiled where that is possible, else row by row.

The reference (:func:`columns_of`) is what the compiled scanner must equal, byte for byte. The scanner takes Kite's own
form of the file only, and declines everything else without a word: what is wrong or odd is for the reference to say.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from kitecli.errors import DataError
from kitecli.market.index import Buffer, MasterIndex, assembled
from kitecli.market.instruments import COLUMNS, parse_expiry, parse_instruments
from kitecli.market.mending import Oddity, mend

if TYPE_CHECKING:
    from kitecli.market.instruments import Instrument

HEADER_LINE: Final = ",".join(COLUMNS).encode()
TOKEN_LIMIT: Final = 1 << 32
LOT_LIMIT: Final = 1 << 63

Scan = Callable[[bytes, int, "ExpiryOrdinals"], "dict[str, Buffer] | None"]


class ExpiryOrdinals(dict[bytes, int]):
    """Ordinals of the dates in a file by their text; the master repeats some hundred dates 130,000 times."""

    def __missing__(self, text: bytes) -> int:
        found = parse_expiry(text.decode())
        self[text] = value = found.toordinal() if found else 0
        return value


def index_of_csv(csv: bytes, day: date, source: bytes | None = None) -> MasterIndex:
    """The index of a master in Kite's own form; see :func:`~kitecli.market.instruments.parse_instruments`.

    :raises DataError: as there.
    """
    source = source or sha256(csv).digest()
    scanned = scanned_columns(csv)
    if scanned is not None:
        return MasterIndex(assembled(scanned, rows=len(scanned["token"]) // 4, day=day.toordinal(), source=source))
    return index_of_rows(parse_instruments(csv.decode("utf-8", "replace")), day, source)


def index_of_file(csv: bytes, day: date, source: bytes | None = None) -> tuple[MasterIndex, tuple[Oddity, ...]]:
    """The index of a master in whatever form, and what had to be mended to read it: nothing, in the broker's own.

    ``source``: the SHA-256 of ``csv``, where it is known already.

    :raises DataError: not a master, cut short, or not to be read in one way only.
    """
    digest = source or sha256(csv).digest()
    try:
        return index_of_csv(csv, day, digest), ()
    except DataError:
        mended, oddities = mend(csv.decode("utf-8", "replace"))
        if not oddities:
            raise
        return index_of_csv(mended.encode(), day, digest), oddities


def index_of_rows(rows: Iterable[Instrument], day: date = date.min, source: bytes = bytes(32)) -> MasterIndex:
    """The index of rows, in their order.

    :raises DataError: a token or lot size that no master has.
    """
    kept = rows if isinstance(rows, list | tuple) else list(rows)
    return MasterIndex(assembled(columns_of(kept), rows=len(kept), day=day.toordinal(), source=source))


def scanned_columns(csv: bytes) -> Mapping[str, Buffer] | None:
    """The sections of a CSV by the compiled scanner; None where there is none or it declines."""
    scan, start = _scanner(), csv.find(b"\n", 0, len(HEADER_LINE) + 2) + 1
    if scan is None or csv[:start].rstrip(b"\r\n") != HEADER_LINE:
        return None
    if not csv.isascii() and not _is_utf8(csv):
        return None
    return scan(csv, start, ExpiryOrdinals())


def columns_of(rows: list[Instrument] | tuple[Instrument, ...]) -> dict[str, Buffer]:
    """The sections of rows: the reference. Raises :class:`DataError`."""
    for row in rows:
        _check_limits(row)
    words: dict[str, int] = {}
    kinds: dict[tuple[int, int, int], int] = {}
    names, kind_numbers = array("I"), array("I")
    for row in rows:
        first, *kind = (
            words.setdefault(word, len(words)) for word in (row.name, row.instrument_type, row.segment, row.exchange)
        )
        names.append(first)
        kind_numbers.append(kinds.setdefault((kind[0], kind[1], kind[2]), len(kinds)))
    odd = [at for at, row in enumerate(rows) if row.exchange_token != str(row.instrument_token >> 8)]
    odd_words = [words.setdefault(rows[at].exchange_token, len(words)) for at in odd]
    columns: dict[str, array[int] | array[float]] = {
        "token": array("I", [row.instrument_token for row in rows]),
        "name": names,
        "kind": kind_numbers,
        "expiry": array("I", [row.expiry.toordinal() if row.expiry else 0 for row in rows]),
        "last_price": array("d", [row.last_price for row in rows]),
        "strike": array("d", [row.strike for row in rows]),
        "tick_size": array("d", [row.tick_size for row in rows]),
        "lot_size": array("q", [row.lot_size for row in rows]),
        "by_token": array("I", sorted(range(len(rows)), key=lambda at: rows[at].instrument_token)),
        "by_key": array("I", sorted(range(len(rows)), key=lambda at: _order(rows[at]))),
        "kinds": array("I", [word for kind in kinds for word in kind]),
        "odd_row": array("I", odd),
        "odd_word": array("I", odd_words),
    }
    texts = {**_texts("symbol", [row.tradingsymbol for row in rows]), **_texts("word", list(words))}
    return {name: column.tobytes() for name, column in columns.items()} | texts


def _order(row: Instrument) -> tuple[bytes, bytes]:
    return row.exchange.upper().encode(), row.tradingsymbol.upper().encode()


def _texts(name: str, texts: list[str]) -> dict[str, Buffer]:
    encoded = [text.encode() for text in texts]
    at, offsets = 0, array("I", [0])
    for text in encoded:
        at += len(text)
        offsets.append(at)
    return {f"{name}_at": offsets.tobytes(), f"{name}_text": b"".join(encoded)}


def _check_limits(row: Instrument) -> None:
    if 0 <= row.instrument_token < TOKEN_LIMIT and abs(row.lot_size) < LOT_LIMIT:
        return
    raise DataError(
        f"{row.key} can't be an instrument",
        why=f"its token is {row.instrument_token}, its lot size {row.lot_size}; tokens have 32 bits, lot sizes 64",
        hint="Download the instrument master again",
    )


def _is_utf8(csv: bytes) -> bool:
    try:
        csv.decode()
    except UnicodeDecodeError:
        return False
    return True


def _scanner() -> Scan | None:
    if os.environ.get("KITE_PURE") == "1":
        return None
    try:
        from kitecli.market._scan import scan
    except ImportError:  # not built: kite doctor says what that costs
        return None
    return scan
