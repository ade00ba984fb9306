"""``python -m kitecli.sim``: a simulated exchange as a child process. See :mod:`~kitecli.sim.launcher`.

The first line of stdin is the options as JSON; the one line of stdout is where it listens, or an error, as JSON. The
child ends when its stdin does, so it never outlives whoever started it; unless it is to end when nobody listens.
Then an argument may name the folder with the word of it, which it takes along.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from pathlib import Path

from kitecli.errors import KiteError
from kitecli.logs import running as log
from kitecli.logs.plan import LogPlan
from kitecli.sim.background import forget
from kitecli.sim.options import Ready, SimOptions


def main() -> int:
    # Ctrl-C in a terminal reaches the whole group; the parent decides when the exchange closes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    options = SimOptions.from_json(sys.stdin.readline())
    plan = LogPlan.from_plain(options.logs) if options.logs else None
    running = log.begin(plan, _ignored) if plan else None
    try:
        asyncio.run(_serve(options))
    except KiteError as error:
        print(json.dumps(error.as_dict()), flush=True)  # noqa: T201 - the answer to the parent
        return error.exit_code
    finally:
        for folder in sys.argv[1:]:
            forget(Path(folder), os.getpid())
        if running is not None:
            running.leave(_ignored)
    return 0


def _ignored(problem: KiteError) -> None:
    """A log that can't be written: who started this process writes the same one, and says so."""


async def _serve(options: SimOptions) -> None:
    from kitecli.sim.server import serve

    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def wait_for_the_parent() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(stop.set)

    if not options.idle_s:
        threading.Thread(target=wait_for_the_parent, daemon=True).start()
    await serve(options, _print_ready, stop)


def _print_ready(ready: Ready) -> None:
    print(ready.to_json(), flush=True)  # noqa: T201 - the answer to the parent


if __name__ == "__main__":
    sys.exit(main())
