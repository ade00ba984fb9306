"""A header is whole or refused."""

from datetime import date
from pathlib import Path

import pytest

from kitecli.errors import DataError, RecordingDamaged
from kitecli.store.framing import Framer
from kitecli.store.header import SegmentHeader, parse_header

FORMAT = Path(__file__).resolve().parent.parent.parent / "docs" / "format.md"
HEADER = SegmentHeader(
    date(2026, 11, 20),
    3,
    1_795_000_000_000_000_000,
    1_000,
    1_200,
    77,
    bytes(range(32)),
    {"writer": "kite", "deep": [1]},
)


def test_what_is_written_is_read():
    assert parse_header(HEADER.encoded, "a file") == HEADER
    assert parse_header(HEADER.encoded + b"records", "a file") == HEADER
    assert len(HEADER.encoded) % 8 == 0


def test_another_version_is_refused_whatever_else_it_says():
    raw = bytearray(HEADER.encoded)
    raw[8] = 2
    with pytest.raises(DataError, match="format version 2, this kite reads 1"):
        parse_header(bytes(raw), "a file")


def test_every_flipped_bit_and_every_cut_is_seen():
    whole = HEADER.encoded
    for bit in range(len(whole) * 8):
        raw = bytearray(whole)
        raw[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DataError):
            parse_header(bytes(raw), "a file")
    for size in range(len(whole)):
        with pytest.raises(DataError):
            parse_header(whole[:size], "a file")


def test_what_is_damaged_is_told_from_what_is_none():
    with pytest.raises(DataError) as none:
        parse_header(b"something else entirely", "a file")
    assert not isinstance(none.value, RecordingDamaged)
    with pytest.raises(RecordingDamaged):
        parse_header(HEADER.encoded[:50], "a file")


def test_a_header_has_a_limit():
    with pytest.raises(DataError, match="too long"):
        _ = SegmentHeader(date(2026, 11, 20), 1, 0, about={"long": "x" * 70_000}).encoded


def test_the_example_in_the_documentation_is_such_a_file():
    header = SegmentHeader(date(2026, 11, 20), 1, 1_795_000_000_000_000_000)
    raw = header.encoded + Framer(header.seed, len(header.encoded)).record(1, 2, 1_000, b"h")
    lines = [f"{at:04x}  {raw[at : at + 16].hex(' ')}" for at in range(0, len(raw), 16)]
    assert "\n".join(lines) in FORMAT.read_text()
