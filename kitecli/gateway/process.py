"""The gateway as a child process: the spec and requests on standard input, events on standard output.

It ends when asked, on SIGTERM, or when its input ends, which is how it learns that its parent died. SIGINT is the
parent's business: a Ctrl-C reaches the whole terminal, and the parent wants to say goodbye in order.
"""

from __future__ import annotations

import asyncio
import gc
import queue
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from kitecli.errors import KiteError
from kitecli.gateway.core import Gateway, Say
from kitecli.gateway.spec import GatewayEvent, GatewaySpec, failed

UNSAID_MOST: Final = 10_000
FAREWELL_S: Final = 2.0


def main() -> int:
    """Run one gateway; returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = sys.stdin.readline()
    if not line:
        return 0
    voice = Voice()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(GatewaySpec.from_line(line), voice.say))
    except Exception as cause:  # noqa: BLE001 - its traceback could show the URL and the token in it
        voice.say(failed(cause))
        return cause.exit_code if isinstance(cause, KiteError) else 1
    else:
        voice.say(GatewayEvent("stopped"))
        return 0
    finally:
        voice.finish()


class Voice:
    """Events to the parent, written by a thread: a parent that is stopped fills the pipe, and that mustn't stop ticks.

    Beyond ``UNSAID_MOST`` events waiting, further ones are dropped.
    """

    def __init__(self) -> None:
        self._unsaid: queue.Queue[GatewayEvent | None] = queue.Queue(UNSAID_MOST)
        self._thread = threading.Thread(target=self._speak, daemon=True, name="events")
        self._thread.start()

    def say(self, event: GatewayEvent) -> None:
        with suppress(queue.Full):
            self._unsaid.put_nowait(event)

    def finish(self) -> None:
        with suppress(queue.Full):
            self._unsaid.put(None, timeout=FAREWELL_S)
            self._thread.join(FAREWELL_S)

    def _speak(self) -> None:
        with suppress(BrokenPipeError):  # the parent is gone; its end of our input says so too
            while (event := self._unsaid.get()) is not None:
                sys.stdout.write(event.to_line() + "\n")
                sys.stdout.flush()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (``kitecli[performance]``): it takes 10-20 us off every frame's way to the pass."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(spec: GatewaySpec, say: Say) -> None:
    loop = asyncio.get_running_loop()
    gateway = Gateway(spec, say)
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
