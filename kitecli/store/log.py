"""What touches every byte: compiled where a compiler was, the references otherwise."""

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
    from kitecli.store._log import Stage, put_column, scan, tokens_of, unpack_columns
else:
    from kitecli.store.bits import put_column_in_python as put_column
    from kitecli.store.holding import tokens_in_python as tokens_of
    from kitecli.store.scanning import scan_in_python as scan
    from kitecli.store.stage import Stage
    from kitecli.store.unpacking import unpack_columns_in_python as unpack_columns

__all__ = ["COMPILED", "Stage", "put_column", "scan", "tokens_of", "unpack_columns"]
