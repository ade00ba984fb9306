"""The gateway as a process: the spec on standard input, its first word on standard output, then the control socket.

The first word says that it listens, that another process was first, or what went wrong. From then on standard input
tells one thing only, by ending: that the starter has joined, or has died before it could.

It ends when its last client has left (unless it is a daemon), when asked to, and on SIGTERM or SIGINT.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kitecli.gateway.lock import FeedCard, FeedPlace, remove, sweep, take
from kitecli.gateway.spec import READY, TAKEN, GatewaySpec, told
from kitecli.ring.locks import LockFile

if TYPE_CHECKING:  # NumPy and the rest take a third of a second, and of several starters only one needs them
    from kitecli.gateway.control import ControlServer
    from kitecli.gateway.core import Gateway, Say
    from kitecli.gateway.reports import Reports


def main() -> int:
    """Run one gateway; returns the exit code."""
    line = sys.stdin.buffer.readline()
    if not line:
        return 0
    voice = _FirstWord()
    try:
        return _hold(GatewaySpec.from_line(line.decode()), voice)
    except Exception as cause:  # noqa: BLE001 - its traceback could show the URL and the token in it
        failure = told(cause)
        voice.say(failure.as_dict())
        return failure.exit_code


class _FirstWord:
    """One line of JSON to whoever started this process; after it, nothing more can be said there."""

    def __init__(self) -> None:
        self._said = False

    def say(self, word: dict[str, str | int]) -> None:
        if self._said:
            return
        self._said = True
        with suppress(OSError):  # the starter is gone
            sys.stdout.write(json.dumps(word) + "\n")
            sys.stdout.flush()
        _to_nowhere(sys.stdout.fileno(), sys.stderr.fileno())


def _hold(spec: GatewaySpec, voice: _FirstWord) -> int:
    """Be the feed of that name, if nobody else is."""
    place = FeedPlace(Path(spec.folder or ""), spec.name)
    held = take(place)
    if held is None:
        voice.say({"start": TAKEN})
        return 0
    try:
        _run(spec, place, held, voice)
    finally:
        held.release()
    return 0


def _run(spec: GatewaySpec, place: FeedPlace, held: LockFile, voice: _FirstWord) -> None:
    from kitecli.gateway.reports import Reports

    reports = Reports(spec)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(spec, place, held, voice, reports))
    finally:
        held.release()
        reports.close()  # last: an alert may take ten seconds, and the name is free meanwhile


async def _serve(spec: GatewaySpec, place: FeedPlace, held: LockFile, voice: _FirstWord, reports: Reports) -> None:
    from kitecli.gateway.core import Gateway

    def started(gateway: Gateway) -> None:
        _watch_starter(gateway)
        reports.begin(gateway)
        # What start-up made lives as long as the process; frozen, it isn't walked by collections beside the feed.
        gc.collect()
        gc.freeze()
        voice.say({"start": READY})

    await serve(place, held, lambda say: Gateway(spec, reports.hearing(say)), started)


async def serve(
    place: FeedPlace, held: LockFile, make: Callable[[Say], Gateway], started: Callable[[Gateway], None]
) -> None:
    """Run the gateway that ``make`` makes of a place that is held, until its end; ``started`` once it can be joined."""
    from kitecli.gateway.control import ControlServer

    remove(place)  # what a dead gateway of our name has left, and then those of other names
    sweep(place.folder)
    server = ControlServer()
    try:
        gateway = make(server.broadcast)
    except BaseException:
        remove(place)  # of a start that fails halfway: a ring takes all the room there is
        raise
    try:
        await _open(place, gateway, server)
        started(gateway)
        await gateway.run()
    finally:
        server.stop_listening()
        gateway.close()
        remove(place)
        held.release()
        await server.close()  # last: when a client sees its socket end, the name is free again


async def _open(place: FeedPlace, gateway: Gateway, server: ControlServer) -> None:
    """From here on the gateway can be joined, and told to stop."""
    from kitecli.gateway.messages import VERSION
    from kitecli.gateway.reports import NotedDesk

    asyncio.get_running_loop().set_exception_handler(gateway.on_stray)
    _obey_signals(gateway)
    door = await server.listen(NotedDesk(gateway, place.name), place)
    card = FeedCard(
        version=VERSION,
        name=place.name,
        pid=os.getpid(),
        ring=str(place.ring),
        created_ns=time.time_ns(),
        label=gateway.label,
        socket=str(door.socket) if door.socket else None,
        port=door.port,
        token=door.token,
    )
    card.write(place.card)


def _obey_signals(gateway: Gateway) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        name = f"signal {number.name}"
        try:
            loop.add_signal_handler(number, gateway.stop, name)
        except NotImplementedError:  # Windows' loop has none
            signal.signal(number, lambda *_, why=name: loop.call_soon_threadsafe(gateway.stop, why))


def _watch_starter(gateway: Gateway) -> None:
    loop = asyncio.get_running_loop()

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):  # not sys.stdin.read(): exit would wait for its lock
            pass
        with suppress(RuntimeError):  # the loop is closed: nobody needs to know any more
            loop.call_soon_threadsafe(gateway.starter_gone)

    threading.Thread(target=watch, daemon=True, name="starter").start()


def _to_nowhere(*descriptors: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (``kitecli[performance]``): it takes 10-20 us off every frame's way to the pass."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
