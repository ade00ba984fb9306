"""The pass every frame goes through: compiled where a compiler was, the references otherwise.

``FramePass`` writes a ring and bars, ``RingView`` and ``BarsView`` read them, ``Mailbox`` is either side of a mailbox,
``Tally`` counts latencies.
``COMPILED`` says which of the two they are, ``WHY_NOT`` why.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kitecli.hot._hot import BarsView, FramePass, Mailbox, RingView, Tally


def _look() -> tuple[bool, str]:
    """Whether the extension serves. Only a built module counts: its source is .pyx, which Python never imports."""
    if os.environ.get("KITE_PURE") == "1":
        return False, "KITE_PURE=1 asks for pure Python"
    try:
        import kitecli.hot._hot  # noqa: F401
    except ImportError as cause:
        return False, f"the compiled extension is missing or broken: {cause}"
    return True, ""


_FOUND: Final = _look()
COMPILED: Final = _FOUND[0]
WHY_NOT: Final = _FOUND[1]

if not TYPE_CHECKING:
    if COMPILED:
        from kitecli.hot._hot import BarsView, FramePass, Mailbox, RingView, Tally
    else:
        from kitecli.bars.view import BarsView
        from kitecli.hot.uncompiled import FramePass
        from kitecli.metrics.tally import Tally
        from kitecli.ring.mailbox import Mailbox
        from kitecli.ring.view import RingView

__all__ = ["COMPILED", "WHY_NOT", "BarsView", "FramePass", "Mailbox", "RingView", "Tally"]
