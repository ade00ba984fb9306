"""The folder's own modules, importable (pytest's importlib mode puts none on the path), and their fixtures."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from exchanges import browsing, exchange, running, variables  # noqa: E402

__all__ = ["browsing", "exchange", "running", "variables"]
