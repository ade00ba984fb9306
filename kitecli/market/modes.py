"""The three modes of a subscription, least first: the last price, a quote, a quote with the order book.

Source: Kite Connect v3 websocket documentation, "Modes".
"""

from __future__ import annotations

from typing import Final

MODES: Final = ("ltp", "quote", "full")
