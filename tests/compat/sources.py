"""A source that a test feeds, and a ticker over it: no gateway, no socket."""

from __future__ import annotations

import queue
import time

import numpy as np

from kitecli.compat import KiteTicker
from kitecli.compat.port import Event
from kitecli.errors import KiteError
from kitecli.protocol.decoder import decode_frame
from kitecli.ring.reader import Batch
from tests.conformance.vectors import message


def ticks_of(*packets: bytes, stamp: int = 1, connection: int = 0) -> Batch:
    """One message as a reader has it."""
    frame = decode_frame(message(*packets), ts_recv_ns=stamp, connection=connection)
    return Batch(frame.ticks, frame.depth, 0, 0)


def together(*batches: Batch, lost: int = 0) -> Batch:
    """What a reader takes at once."""
    return Batch(*(np.concatenate([getattr(one, name) for one in batches]) for name in ("ticks", "depth")), 0, lost)


class Fed:
    """Says and reads what it was given, in order."""

    def __init__(self) -> None:
        self.batches: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self.said: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.modes: dict[int, str] = {}
        self.offered: list[str] = []
        self.beats = 0
        self.closed = False

    def subscribe(self, modes):
        self.modes.update(modes)

    def unsubscribe(self, tokens):
        for token in tokens:
            del self.modes[token]

    def offer(self, access_token):
        self.offered.append(access_token.reveal())

    def read(self, timeout_s):
        try:
            return self.batches.get(timeout=timeout_s) if timeout_s else self.batches.get_nowait()
        except queue.Empty:
            return None

    def pending(self):
        return self.batches.qsize()

    def heartbeats(self):
        return self.beats

    def events(self):
        while not self.said.empty():
            yield self.said.get()

    def close(self):
        self.closed = True


class Feeds:
    """Opens :class:`Fed` sources, or fails as told; ``asked`` has the access tokens they were opened with."""

    def __init__(self) -> None:
        self.made: list[Fed] = []
        self.asked: list[str] = []
        self.failures: list[KiteError] = []

    def __call__(self, api_key, access_token, root):
        self.asked.append(access_token.reveal())
        if self.failures:
            raise self.failures.pop(0)
        self.made.append(Fed())
        return self.made[-1]

    @property
    def last(self) -> Fed:
        return self.made[-1]


class Heard:
    """A ticker over :class:`Feeds`; ``calls`` has its callbacks' names and arguments as they came."""

    def __init__(self, **given: object) -> None:
        self.feeds = Feeds()
        self.calls: list[tuple] = []
        self.reactions: dict[str, object] = {}
        kind = type("Ticker", (KiteTicker,), {"open_source": staticmethod(self.feeds)})
        self.ticker = kind("key", "token", **given)
        for name in ("ticks", "open", "close", "error", "connect", "reconnect", "order_update"):
            self.watch(f"on_{name}")

    def watch(self, name: str) -> None:
        def callback(ws, *arguments):
            assert ws is self.ticker
            self.calls.append((name, *arguments))
            if name in self.reactions:
                self.reactions[name](*arguments)

        setattr(self.ticker, name, callback)

    @property
    def names(self) -> list[str]:
        return [name for name, *_ in self.calls]

    def wait_for(self, name: str, count: int = 1) -> None:
        self.wait(lambda: self.names.count(name) >= count, f"{name}, having {self.names}")

    @staticmethod
    def wait(condition, what: str = "it") -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, f"waited for {what}"
            time.sleep(0.002)
