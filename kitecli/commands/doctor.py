"""``kite doctor``: does this machine have what kite needs?"""

from __future__ import annotations


def doctor() -> None:
    """Check this machine."""
