"""The instrument master as columns in one block of bytes: built once a day, mapped into memory and searched in place.

Opening it reads the header alone; nothing is parsed, and no NumPy is needed (its import takes ten times as long as
everything here). Layout, in the byte order of the machine that wrote it::

       0  magic      8s   b"KITEINST"
       8  version    u16  1
      10  order      u16  0x0102; reads as 0x0201 on a machine of the other byte order
      12  rows       u32  n
      16  day        u32  the day it was made for, as date.toordinal()
      20  sections   u32
      24  length     u64  of all bytes
      32  source     32s  SHA-256 of the CSV it was built from
      64  directory  one (offset u64, length u64, crc32 u32, 0 u32) for each of SECTIONS
      ..  crc32      u32  of every byte above
      ..  the sections, each beginning at a multiple of 8

Words (names, types, segments, exchanges) are kept once and referred to by number. Exchange tokens aren't kept where
they are the instrument token without its segment byte, as all of Kite's are; the exceptions are.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable, Iterator, Mapping
from struct import Struct
from typing import TYPE_CHECKING, Final, Literal, cast
from zlib import crc32

from kitecli.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

MAGIC: Final = b"KITEINST"
VERSION: Final = 1
ORDER: Final = 0x0102
HEADER: Final = Struct("=8sHHIIIQ32s")
ENTRY: Final = Struct("=QQII")
CHECKSUM: Final = Struct("=I")

SECTIONS: Final = {
    "token": "I",  # n instrument tokens
    "symbol_at": "I",  # n + 1 offsets into symbol_text
    "symbol_text": "B",  # UTF-8, as written
    "name": "I",  # n words
    "kind": "I",  # n indices into kinds
    "expiry": "I",  # n ordinals; 0: nothing expires
    "last_price": "d",  # n, rupees
    "strike": "d",  # n, rupees
    "tick_size": "d",  # n, rupees
    "lot_size": "q",  # n
    "by_token": "I",  # n rows in the order of their tokens
    "by_key": "I",  # n rows in the order of (exchange, symbol), in upper case
    "word_at": "I",  # words + 1 offsets into word_text
    "word_text": "B",  # UTF-8
    "kinds": "I",  # (instrument_type, segment, exchange) words of each kind
    "odd_row": "I",  # rows whose exchange token isn't token >> 8, ascending
    "odd_word": "I",  # and their exchange tokens
}
assert HEADER.size == 64
LONGEST: Final = 64  # letters of a symbol that completion tells apart

Buffer = bytes | bytearray | memoryview | mmap.mmap


def assembled(sections: Mapping[str, Buffer], *, rows: int, day: int, source: bytes) -> bytes:
    """The index as one block. ``sections``: bytes by the names of ``SECTIONS``; ``source``: the CSV's SHA-256."""
    at = _aligned(HEADER.size + len(SECTIONS) * ENTRY.size + CHECKSUM.size)
    directory, parts = [], []
    for name in SECTIONS:
        part = sections[name]
        directory.append(ENTRY.pack(at, len(part), crc32(part), 0))
        parts += [part, bytes(_aligned(len(part)) - len(part))]
        at += _aligned(len(part))
    header = HEADER.pack(MAGIC, VERSION, ORDER, rows, day, len(SECTIONS), at, source) + b"".join(directory)
    start = header + CHECKSUM.pack(crc32(header))
    return b"".join([start, bytes(_aligned(len(start)) - len(start)), *parts])


class MasterIndex:
    """Columns of a master, and the row of a token or of an exchange's symbol.

    A section's checksum is compared when it is first used.

    :raises DataError: not an index, of another version or byte order, cut short, or damaged.
    """

    def __init__(self, image: Buffer, origin: str = "the instrument index") -> None:
        self.origin = origin
        self._image = memoryview(image)
        self._columns: dict[str, memoryview[int]] = {}
        self.rows, self.day, self.source, self._directory = self._read_header()
        self._words: dict[int, str] = {}
        self._exchanges: dict[str, tuple[int, int]] | None = None

    @classmethod
    def open(cls, path: str | Path) -> MasterIndex:
        """Map a file. Raises :class:`DataError` as the constructor, :class:`OSError` where it can't be read."""
        with open(path, "rb") as file:  # noqa: PTH123 - completion has no time to import pathlib
            try:
                return cls(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), str(path))
            except ValueError as error:  # an empty file can't be mapped
                raise _damaged(str(path), "it is empty") from error

    def __len__(self) -> int:
        return self.rows

    @property
    def image(self) -> memoryview:
        """All its bytes, as a file holds them."""
        return self._image

    def verify(self) -> MasterIndex:
        """Compare every checksum, 8 ms for 13 MB. Raises :class:`DataError`."""
        for name in SECTIONS:
            self.column(name)
        return self

    def column(self, name: str) -> memoryview[int]:
        """A section's values, one for each row or as ``SECTIONS`` says."""
        if name not in self._columns:
            self._columns[name] = self._checked(name)
        return self._columns[name]

    def real(self, name: str) -> memoryview[float]:
        """The values of a section of rupees."""
        return cast("memoryview[float]", self.column(name))

    # Values

    def token(self, row: int) -> int:
        return int(self.column("token")[row])

    def symbol(self, row: int) -> str:
        at = self.column("symbol_at")
        return str(self.column("symbol_text")[at[row] : at[row + 1]], "utf-8")

    def name(self, row: int) -> str:
        return self.word(self.column("name")[row])

    def kind(self, row: int) -> tuple[str, str, str]:
        """(instrument_type, segment, exchange)."""
        return self.kind_words(self.column("kind")[row])

    def exchange(self, row: int) -> str:
        return self.kind(row)[2]

    def key(self, row: int) -> str:
        """``NSE:INFY``."""
        return f"{self.exchange(row)}:{self.symbol(row)}"

    def exchange_token(self, row: int) -> str:
        odd = self.column("odd_row")
        at = _first(len(odd), lambda index: odd[index] >= row)
        if at < len(odd) and odd[at] == row:
            return self.word(self.column("odd_word")[at])
        return str(self.token(row) >> 8)

    def word(self, number: int) -> str:
        """A word by its number."""
        if number not in self._words:
            at = self.column("word_at")
            self._words[number] = str(self.column("word_text")[at[number] : at[number + 1]], "utf-8")
        return self._words[number]

    def words(self) -> list[str]:
        """All words by number."""
        at = self.column("word_at")
        text = self.column("word_text")
        return [str(text[at[number] : at[number + 1]], "utf-8") for number in range(len(at) - 1)]

    def kind_words(self, number: int) -> tuple[str, str, str]:
        """(instrument_type, segment, exchange) of a kind by its number."""
        kinds = self.column("kinds")
        first, second, third = kinds[3 * number : 3 * number + 3]
        return self.word(first), self.word(second), self.word(third)

    def kind_count(self) -> int:
        return len(self.column("kinds")) // 3

    # Look-ups

    def rows_of_token(self, token: int) -> Iterator[int]:
        """Rows of a token: one, unless the master repeats it."""
        order, tokens = self.column("by_token"), self.column("token")
        at = _first(self.rows, lambda index: tokens[order[index]] >= token)
        while at < self.rows and tokens[order[at]] == token:
            yield int(order[at])
            at += 1

    def rows_of_key(self, exchange: str, symbol: str) -> Iterator[int]:
        """Rows of an exchange's symbol, both in upper case: one, unless the master repeats it."""
        wanted = symbol.encode()
        for row in self.rows_beginning(exchange, symbol):
            if self._folded(row) != wanted:
                return
            yield row

    def rows_beginning(self, exchange: str, start: str) -> Iterator[int]:
        """Rows of an exchange whose symbol begins with ``start``, both in upper case, in alphabetical order."""
        low, high = self._span(exchange, start)
        yield from self.column("by_key")[low:high].tolist()

    def beginnings(self, exchange: str, start: str, limit: int) -> list[str]:
        """How symbols that begin with ``start`` go on: at most ``limit`` whole symbols or beginnings, upper case.

        As long as the limit allows, so that what all have in common is what all of the thousands have.
        """
        low, high = self._span(exchange, start)
        found: list[str] = []
        for length in range(len(start) + 1, LONGEST):
            longer = self._cut(low, high, length, limit)
            if len(longer) > limit or longer == found:
                break
            found = longer
        return found

    def _cut(self, low: int, high: int, length: int, limit: int) -> list[str]:
        """The different beginnings of a length between two places of the order, one more than ``limit`` at most."""
        order, found = self.column("by_key"), list[str]()
        while low < high and len(found) <= limit:
            start = self._folded(order[low])[:length]
            found.append(start.decode("utf-8", "ignore"))
            low = self._beyond(low, high, start, length)
        return found

    def _beyond(self, low: int, high: int, start: bytes, length: int) -> int:
        order = self.column("by_key")
        return low + _first(high - low, lambda index: self._folded(order[low + index])[:length] > start)

    def _span(self, exchange: str, start: str) -> tuple[int, int]:
        """Where the symbols that begin with ``start`` begin and end in the order of keys."""
        wanted = start.encode()
        low, high = self.exchanges().get(exchange, (0, 0))
        order = self.column("by_key")
        low += _first(high - low, lambda index: self._folded(order[low + index]) >= wanted)
        return low, self._beyond(low, high, wanted, len(wanted))

    def rows_of_exchange_token(self, text: str) -> Iterator[int]:
        """Rows of an exchange's own token, of any exchange."""
        if text.isascii() and text.isdigit() and int(text) < 1 << 24:
            low, order, tokens = int(text) << 8, self.column("by_token"), self.column("token")
            at = _first(self.rows, lambda index: tokens[order[index]] >= low)
            while at < self.rows and tokens[order[at]] <= low | 0xFF:
                if self.exchange_token(order[at]) == text:
                    yield int(order[at])
                at += 1
        odd = self.column("odd_row")
        yield from (row for row, word in zip(odd, self.column("odd_word"), strict=True) if self.word(word) == text)

    def exchanges(self) -> dict[str, tuple[int, int]]:
        """Where each exchange, in upper case, begins and ends in the order of keys."""
        if self._exchanges is None:
            order, start, found = self.column("by_key"), 0, {}
            while start < self.rows:
                name = self.exchange(order[start]).upper()
                past = self._past(order, name, start)
                found[name] = (start, past)
                start = past
            self._exchanges = found
        return self._exchanges

    def _past(self, order: memoryview[int], name: str, start: int) -> int:
        beyond = _first(self.rows - start, lambda index: self.exchange(order[start + index]).upper() != name)
        return start + beyond

    def _folded(self, row: int) -> bytes:
        return self.symbol(row).upper().encode()

    # Bytes

    def _read_header(self) -> tuple[int, int, bytes, dict[str, tuple[int, int, int]]]:
        image, past = self._image, HEADER.size + len(SECTIONS) * ENTRY.size
        if len(image) < past + CHECKSUM.size or bytes(image[:8]) != MAGIC:
            raise _damaged(self.origin, "it doesn't begin as an index does")
        _, version, order, rows, day, count, length, source = HEADER.unpack_from(image)
        if (version, order, count) != (VERSION, ORDER, len(SECTIONS)):
            raise _damaged(self.origin, f"it is of version {version} for another kite or machine, not {VERSION}")
        if CHECKSUM.unpack_from(image, past)[0] != crc32(image[:past]):
            raise _damaged(self.origin, "its header's checksum is wrong")
        if length != len(image):
            raise _damaged(self.origin, f"it has {len(image):,} bytes of {length:,}")
        entries = ENTRY.iter_unpack(image[HEADER.size : past])
        directory = {name: (at, size, sum32) for name, (at, size, sum32, _) in zip(SECTIONS, entries, strict=True)}
        return rows, day, source, directory

    def _checked(self, name: str) -> memoryview[int]:
        at, size, expected = self._directory[name]
        part = self._image[at : at + size]
        if crc32(part) != expected:
            raise _damaged(self.origin, f"the checksum of its {name} is wrong")
        return part.cast("B").cast(cast("Literal['I']", SECTIONS[name]))


def _first(count: int, is_past: Callable[[int], bool]) -> int:
    """The first of ``count`` indices for which ``is_past``, which stays true once it is; ``count`` if none is."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if is_past(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _aligned(size: int) -> int:
    return (size + 7) & ~7


def _damaged(origin: str, why: str) -> DataError:
    return DataError(f"{origin} can't be used", why=why, hint="kite instruments sync builds it again")


assert sys.byteorder in ("little", "big")
