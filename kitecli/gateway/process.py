"""The gateway as a child process: the spec and requests on standard input, events on standard output.

It ends when asked, on SIGTERM, or when its input ends, which is how it learns that its parent died. SIGINT is the
parent's business: a Ctrl-C reaches the whole terminal, and the parent wants to say goodbye in order.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from kitecli.errors import KiteError
from kitecli.gateway.core import Gateway
from kitecli.gateway.spec import GatewayEvent, GatewaySpec


def main() -> int:
    """Run one gateway; returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = sys.stdin.readline()
    if not line:
        return 0
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(GatewaySpec.from_line(line)))
    except KiteError as failure:
        _say(GatewayEvent("failed", error=failure.as_dict()))
        return failure.exit_code
    _say(GatewayEvent("stopped"))
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (``kitecli[performance]``): it takes 10-20 us off every frame's way to the pass."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(spec: GatewaySpec) -> None:
    loop = asyncio.get_running_loop()
    gateway = Gateway(spec, _say)
    with suppress(NotImplementedError):  # Windows' loop has no signal handlers; the parent's pipe still ends it
        loop.add_signal_handler(signal.SIGTERM, gateway.stop)
    threading.Thread(target=_listen, args=(loop, gateway), daemon=True, name="requests").start()
    # What start-up made lives as long as the process; frozen, it isn't walked by collections beside the feed.
    gc.collect()
    gc.freeze()
    try:
        await gateway.run()
    finally:
        gateway.close()


def _listen(loop: asyncio.AbstractEventLoop, gateway: Gateway) -> None:
    """Requests from the parent; blocked in the kernel but for the moment a line comes."""
    with suppress(RuntimeError):  # the loop is closed: there is nobody left to ask
        for line in sys.stdin:
            loop.call_soon_threadsafe(gateway.request, line)
        loop.call_soon_threadsafe(gateway.stop)


def _say(event: GatewayEvent) -> None:
    with suppress(BrokenPipeError):  # the parent is gone; its end of our input says so too
        sys.stdout.write(event.to_line() + "\n")
        sys.stdout.flush()
