"""A process that holds a gateway and reads its ring: what tests start, stop and kill.

It says how it came in, then how far it has read, and last why it ended. Anything sent to it means: leave.
"""

from __future__ import annotations

import multiprocessing
import queue
import threading
from contextlib import suppress
from multiprocessing.connection import Connection

from kitecli.errors import KiteError
from kitecli.gateway.handle import attach, open_gateway
from kitecli.gateway.spec import GatewaySpec

# Forked off a process that has imported everything: a new one takes 20 ms instead of half a second.
WORLD = multiprocessing.get_context("forkserver")
WORLD.set_forkserver_preload(["tests.gateway.reading"])


def read(pipe: Connection, spec: str) -> None:
    """The process's body. ``spec``: a line."""
    try:
        handle = open_gateway(GatewaySpec.from_line(spec), client="reading")
    except KiteError as error:
        pipe.send({"refused": error.as_dict()})
        return
    reader = attach(handle.memory, batch=4096, depth=False)
    pipe.send({"gateway": handle.pid, "joined": handle.joined, "warnings": handle.warnings})
    ended = None
    while not pipe.poll() and ended is None:
        if reader.read(0.02) is not None:
            pipe.send({"ticks": reader.delivered, "lost": reader.lost})
        ended = _end(handle.events)
    if ended is not None:
        pipe.send({"ended": ended.kind, "why": ended.data or ended.error.get("what")})
    reader.close()
    handle.close()
    pipe.send({"closed": True})


def _end(events):
    """The last word of a gateway, if it has been said."""
    try:
        while (event := events.get_nowait()).kind not in ("stopped", "failed"):
            pass
    except queue.Empty:
        return None
    return event


class Reading:
    """The process as a test holds it. ``first`` is how it came in."""

    def __init__(self, spec: GatewaySpec) -> None:
        self._pipe, theirs = WORLD.Pipe()
        self._process = WORLD.Process(target=read, args=(theirs, spec.to_line()), daemon=True)
        self._process.start()
        theirs.close()
        self.said: list[dict[str, object]] = []
        self._came_in = threading.Event()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    @property
    def first(self):
        return self.said[0] if self.said else {}

    @property
    def gateway(self):
        return self.first["gateway"]

    @property
    def ticks(self):
        return self.said[-1].get("ticks", 0)

    def came_in(self):
        assert self._came_in.wait(30)
        return self

    def word(self, name):
        return next((word for word in self.said if name in word), None)

    def alive(self):
        return self._process.is_alive()

    def kill(self):
        self._process.kill()
        self._end()

    def close(self):
        """Leave in order."""
        with suppress(BrokenPipeError):  # it has left already
            self._pipe.send("leave")
        self._end()

    def _end(self):
        self._process.join(30)
        self._listener.join(30)
        self._pipe.close()

    def _listen(self):
        try:
            while True:
                self.said.append(self._pipe.recv())
                self._came_in.set()
        except (EOFError, OSError):
            self._came_in.set()
