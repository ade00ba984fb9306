from __future__ import annotations

from kitecli.market import tick
from kitecli.protocol import layout


def test_lengths_are_the_broker_s():
    assert layout.PACKET_LENGTHS == (8, 28, 32, 44, 184)
    assert (layout.HEARTBEAT_LENGTH, layout.COUNT_BYTES, layout.LENGTH_BYTES) == (1, 2, 2)


def test_the_full_packet_is_a_quote_five_words_and_ten_levels():
    assert layout.FULL_LENGTH == layout.QUOTE_LENGTH + 5 * 4 + 10 * 12
    assert layout.DEPTH_OFFSET == layout.QUOTE_LENGTH + 5 * 4
    assert layout.DEPTH_OFFSET + layout.DEPTH_BYTES == layout.FULL_LENGTH
    assert layout.INDEX_FULL_LENGTH == layout.INDEX_QUOTE_LENGTH + 4


def test_modes_have_a_name_and_a_number_each():
    assert tuple(layout.MODE_CODES) == layout.MODES
    assert {number: name for name, number in layout.MODE_CODES.items()} == layout.MODE_NAMES
    assert dict(layout.MODE_CODES) == {"ltp": tick.MODE_LTP, "quote": tick.MODE_QUOTE, "full": tick.MODE_FULL}
