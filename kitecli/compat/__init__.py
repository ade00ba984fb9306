"""``from kitecli.compat import KiteTicker``: existing scripts on kite's feed by one changed import.

``ticker`` is the class they see; ``delivery`` the thread its callbacks run on, ``calls`` which of them an event brings,
``ticks`` the dictionaries, ``texts`` the text messages, ``wanted`` what a script asked for. ``port`` says what all of
that needs of a feed, ``attached`` fits a gateway to it. Neither kiteconnect nor Twisted is imported. What differs from
the official client, and why, stands in docs/compat.md.
"""

from __future__ import annotations

from kitecli.compat.ticker import KiteTicker

__all__ = ["KiteTicker"]
