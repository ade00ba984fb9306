"""``kite`` and ``python -m kitecli``: completes instruments by itself, and hands everything else to the Typer app."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The console script ``kite``."""
    if "_KITE_COMPLETE" in os.environ:
        from kitecli.completion import answer

        found = answer(os.environ)
        if found is not None:
            sys.stdout.write(found + "\n")
            return
    try:
        from kitecli.cli import main as run
    except KeyboardInterrupt:  # imports take a few tenths of a second, and an impatient Ctrl-C comes within them
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
