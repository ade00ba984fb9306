"""A recording's instruments: the master of its day, which it keeps, and which of it were recorded."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from kitecli.errors import DataError, UnknownInstrument
from kitecli.market.book import InstrumentBook
from kitecli.market.columns import index_of_file
from kitecli.market.instruments import Instrument
from kitecli.market.segments import DEFAULT_DIVISOR, SEGMENTS, is_derivative, is_index, segment_of
from kitecli.market.selection import find
from kitecli.protocol.decoder import split_packets
from kitecli.store.header import NO_MASTER
from kitecli.store.layout import FRAME, SUBSCRIBED
from kitecli.store.payloads import decode_subscribed
from kitecli.store.recording import Recording

LOOKED_AT_BYTES: Final = 64 << 20
"""How far packets are looked at for instruments; those of later ones are known by their subscription."""


def book_of(recording: Recording) -> InstrumentBook | None:
    """The master the recording keeps; None where none was known. Raises :class:`DataError` where it can't be read."""
    digest = recording.master
    return None if digest == NO_MASTER else kept_book(recording.folder, recording.day, digest)


def kept_book(folder: Path, day: date, digest: bytes) -> InstrumentBook:
    """The master of ``digest``, its SHA-256, that stands in a day's folder. Raises :class:`DataError`: it can't be
    had, and ``why`` says it in a way that needs no more."""
    name = f"master-{digest.hex()[:8]}.csv.gz"
    what = f"The instruments of {folder} aren't known"
    try:
        csv = gzip.decompress((folder / name).read_bytes())
    except FileNotFoundError as error:
        raise DataError(what, why=f"its instrument master {name} isn't there any more") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(what, why=f"its instrument master {name} can't be read: {error}") from error
    if sha256(csv).digest() != digest:
        raise DataError(what, why=f"its instrument master {name} isn't the one it was recorded with")
    return InstrumentBook(index=index_of_file(csv, day, digest)[0])


def tokens_of(recording: Recording, symbols: Iterable[str | int]) -> frozenset[int]:
    """The tokens of names (patterns too) and tokens, by the recording's own master; none of no symbols.

    Raises :class:`UnknownInstrument` for what isn't in it, and for names where there is no master.
    """
    asked = list(symbols)
    if not asked:
        return frozenset()
    book = book_of(recording)
    return frozenset(token for symbol in asked for token in _found(book, symbol, recording.day))


def recorded_tokens(recording: Recording) -> frozenset[int]:
    """What was subscribed in the recording, or came in its first 64 MB. Reads all of it, as quick as the disk is."""
    tokens: set[int] = set()
    looked_at = 0
    for piece in recording.pieces():
        for row in piece.rows[piece.rows["kind"] == SUBSCRIBED]:
            tokens.update(decode_subscribed(memoryview(piece.data)[row["at"] : int(row["at"]) + int(row["length"])]))
        if looked_at < LOOKED_AT_BYTES:
            for row in piece.rows[piece.rows["kind"] == FRAME]:
                tokens.update(_tokens_in(memoryview(piece.data)[row["at"] : int(row["at"]) + int(row["length"])]))
        looked_at += len(piece.data)
    return frozenset(tokens)


def instruments_of(recording: Recording) -> list[Instrument]:
    """The recorded ones, by token; one that the master hasn't got, or of a recording without any, is called by it."""
    book = book_of(recording)
    known = ((token, book.get(token) if book else None) for token in sorted(recorded_tokens(recording)))
    return [found or _nameless(token) for token, found in known]


def _found(book: InstrumentBook | None, symbol: str | int, day: date) -> list[int]:
    if isinstance(symbol, int) or (book is None and symbol.isascii() and symbol.isdigit()):
        return [int(symbol)]
    found = find(book, symbol, day) if book else []
    if not found:
        near = book.nearest(symbol) if book else []
        raise UnknownInstrument(
            f"No instrument of the recording is called {symbol!r}",
            why="its master doesn't list it" if book else "it has no master, so instruments are known by token only",
            hint=f"Nearest: {', '.join(near)}" if near else "kite data show DAY tells what was recorded",
        )
    return [row.instrument_token for row in found]


def _tokens_in(payload: memoryview) -> list[int]:
    data = np.frombuffer(payload, np.uint8)
    offsets = split_packets(data)[0] if data.size > 1 else np.zeros(0, np.int64)
    return [int.from_bytes(payload[at : at + 4], "big") for at in offsets.tolist()]


def _nameless(token: int) -> Instrument:
    segment = SEGMENTS.get(segment_of(token))
    exchange = segment.exchange if segment else "NSE"
    kind = "FUT" if is_derivative(token) else "EQ"
    name = "INDICES" if is_index(token) else exchange
    return Instrument(
        token, str(token >> 8), str(token), "", 0.0, None, 0.0, 1 / DEFAULT_DIVISOR, 1, kind, name, exchange
    )
