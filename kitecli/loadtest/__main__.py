"""``python -m kitecli.loadtest KIND``: see :mod:`~kitecli.loadtest.client`."""

from __future__ import annotations

import signal
import sys

from kitecli.loadtest.client import main

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; whoever started this one decides
    sys.exit(main(sys.argv[1]))
