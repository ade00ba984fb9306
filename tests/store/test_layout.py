"""Record sizes and the one encoder every other part is held to."""

import zlib

import pytest

from kitecli.store.layout import (
    BLOCK_BYTES,
    FRAME,
    RECORD,
    encode_record,
    left_in_block,
    room_of,
)


@pytest.mark.parametrize(("length", "room"), [(0, 24), (1, 32), (8, 32), (9, 40), (184, 208)])
def test_a_record_takes_its_head_and_payload_up_to_a_multiple_of_eight(length, room):
    assert room_of(length) == room
    assert len(encode_record(FRAME, 0, 0, bytes(length), 1)) == room


def test_the_checksum_begins_with_the_seed_and_covers_head_and_payload():
    raw = encode_record(FRAME, 7, 123, b"payload", 99, connection=2)
    assert RECORD.unpack_from(raw) == (7, FRAME, 2, 0, 123, 7, zlib.crc32(b"payload", zlib.crc32(raw[:20], 99)))
    assert raw[24:] == b"payload\0"
    assert encode_record(FRAME, 7, 123, b"payload", 98, connection=2)[20:24] != raw[20:24]


def test_what_is_left_of_a_block():
    assert left_in_block(0) == left_in_block(BLOCK_BYTES) == BLOCK_BYTES
    assert left_in_block(BLOCK_BYTES - 8) == 8
