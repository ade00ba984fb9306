"""``python -m kitecli`` is ``kite``."""

from __future__ import annotations

from kitecli.cli import main

if __name__ == "__main__":
    main()
