"""Framing and scanning: compiled where a compiler was, the references otherwise."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final


def _look() -> bool:
    if os.environ.get("KITE_PURE") == "1":
        return False
    try:
        import kitecli.store._log  # noqa: F401
    except ImportError:
        return False
    return True


COMPILED: Final = _look()

if TYPE_CHECKING or COMPILED:
    from kitecli.store._log import Stage, scan
else:
    from kitecli.store.scanning import scan_in_python as scan
    from kitecli.store.stage import Stage

__all__ = ["COMPILED", "Stage", "scan"]
