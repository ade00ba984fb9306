"""The modes are written down once, and everything that speaks of modes means these."""

from __future__ import annotations

from kitecli.market.modes import MODES
from kitecli.market.tick import MODE_FULL, MODE_LTP, MODE_QUOTE
from kitecli.protocol import layout
from kitecli.settings import schema


def test_there_is_one_list_in_the_order_of_the_codes():
    assert layout.MODES is MODES
    assert schema.MODES is MODES
    assert tuple(layout.MODE_CODES[mode] for mode in MODES) == (MODE_LTP, MODE_QUOTE, MODE_FULL) == (1, 2, 3)
