"""The thread that a ticker's callbacks run on: ticks and events in, calls out, until somebody ends it."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from kitecli.compat.callbacks import Callbacks
from kitecli.compat.calls import Narrator
from kitecli.compat.link import Link
from kitecli.compat.port import RECALLED, Down, Ended, Event, Refused, Said, Up
from kitecli.compat.texts import Copies, payload_of
from kitecli.compat.ticks import Message, Rows, TickDictionaries
from kitecli.errors import KiteError
from kitecli.logs import logger
from kitecli.protocol.encoder import encode_packets, frame
from kitecli.ring.reader import Batch

log = logger("kitecli.compat")

TURN_S: Final = 0.01
"""How long it sleeps at most when no tick comes: how late an order update or a close() is noticed."""
LONGEST_WAIT_S: Final = 30.0
HEARTBEAT: Final = b"\x00"
FORBIDDEN: Final = 403


class Delivery:
    """One life of a ticker, from connect() to close(). ``link`` is open when it starts, and closed when it is over."""

    def __init__(
        self, link: Link, callbacks: Callbacks, narrate: Callable[[], Narrator], dictionaries: TickDictionaries
    ) -> None:
        self.narrator = narrate()
        self.over = threading.Event()
        self.thread: threading.Thread | None = None
        self.lost = 0
        self._link = link
        self._callbacks = callbacks
        self._narrate = narrate
        self._dictionaries = dictionaries
        self._copies = Copies()
        self._own: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._later: deque[Event] = deque()
        self._farewell: tuple[int, str | None] | None = None
        self._again = False
        self._repairing = False
        self._retrying = True
        self._ends = 0  # feeds that ended since one streamed
        self._reopen_s: float | None = None
        self._tokens = self._opened_with = 0
        self._heartbeats = self._heartbeats_now()

    # From any thread

    @property
    def connected(self) -> bool:
        return self.narrator.connected and not self.ending

    @property
    def ending(self) -> bool:
        return self._farewell is not None

    @property
    def is_repairing_here(self) -> bool:
        """Whether the caller is on_close, told of a connection that is being restored."""
        return self._repairing and threading.current_thread() is self.thread

    def end(self, code: int = 1000, reason: str | None = None) -> None:
        """Be over soon; a script that is connected gets its on_close(code, reason) first."""
        if self._farewell is None:
            self._farewell = (code, reason)

    def end_unless_connected(self) -> None:
        """Now, or at the next loss."""
        self._retrying = False
        if not self.narrator.connected:
            self.end()

    def begin_again(self) -> None:
        """Having ended, connect once more: what connect() in an on_close means."""
        self._again = True

    def note_token(self) -> None:
        """A feed that ended for its token can be opened again."""
        self._tokens += 1
        self._reopen_s = time.monotonic()

    def tell(self, event: Event) -> None:
        self._own.put(event)

    # On the thread

    def run(self) -> None:
        self.thread = threading.current_thread()
        try:
            self._stream()
            while self._again:
                self._start_over()
                self._stream()
        finally:
            self._link.drop()
            self._callbacks.finish()
            self.over.set()

    def _stream(self) -> None:
        while not self.ending:
            if self._link.source is None:
                self._wait_and_reopen()
            else:
                self._turn()
        was_connected, self.narrator.connected = self.narrator.connected, False
        self._link.drop()
        if was_connected and self._farewell is not None:
            self._callbacks.call("on_close", self._farewell)

    def _turn(self) -> None:
        self._take_events()
        source = self._link.source
        if source is None or self.ending:
            return
        batch = source.read(TURN_S)
        if batch is not None:
            self._deliver(batch)
        self._beat()

    def _start_over(self) -> None:
        self.narrator, self._farewell, self._again, self._retrying = self._narrate(), None, False, True
        self._reopen_s = time.monotonic()

    # Ticks

    def _deliver(self, batch: Batch) -> None:
        if batch.lost:
            self._report_loss(batch.lost)
        rows = Rows(batch)
        for message in rows.messages(self._link.wanted.codes):
            self._listen()
            if self.ending:
                return
            if batch.first_sequence != RECALLED and not self.narrator.is_live(message.connection):
                self._tell(Up(message.connection))  # its ticks overtook the event
            if self._callbacks.has("on_message"):
                self._callbacks.call("on_message", (_encoded(batch, message), True))
            if self._callbacks.has("on_ticks"):
                self._callbacks.call("on_ticks", (self._dictionaries.of(rows, message),))

    def _report_loss(self, count: int) -> None:
        self.lost += count
        log.warning("The callbacks were too slow for the feed: %d ticks were lost, %d in all", count, self.lost)

    def _drain(self) -> None:
        """Deliver what had come when a connection was lost, before that is told."""
        source = self._link.source
        left = source.pending() if source is not None else 0
        while source is not None and left > 0 and not self.ending:
            batch = source.read(0)
            if batch is None:
                return
            left -= batch.lost + len(batch)
            self._deliver(batch)

    def _beat(self) -> None:
        """Heartbeats reach on_message, for the watchdogs scripts have built on it."""
        if self._callbacks.has("on_message") and (beats := self._heartbeats_now()) != self._heartbeats:
            self._heartbeats = beats
            self._callbacks.call("on_message", (HEARTBEAT, True))

    def _heartbeats_now(self) -> int:
        return self._link.source.heartbeats() if self._link.source is not None else 0

    # Events

    def _take_events(self) -> None:
        self._listen()
        while self._later and not self.ending:
            event = self._later.popleft()
            if not isinstance(event, Up):
                self._drain()
            self._tell(event)

    def _listen(self) -> None:
        """Texts are told at once, even between two messages of ticks; the rest waits for its turn among them."""
        for event in self._events():
            if isinstance(event, Said):
                self._tell_text(event)
            elif isinstance(event, Refused):
                self._tell(event)
            else:
                self._later.append(event)

    def _events(self) -> Iterator[Event]:
        while not self._own.empty():
            yield self._own.get()
        if self._link.source is not None:
            yield from self._link.source.events()

    def _tell_text(self, said: Said) -> None:
        payload = payload_of(said)
        if said.kind != "error" and self._copies.is_copy(said.connection, payload):
            return
        self._callbacks.call("on_message", (payload, False))
        self._tell(said)

    def _tell(self, event: Event) -> None:
        hopeless = final = isinstance(event, Ended) and event.final
        for name, arguments in self.narrator.take(event):
            log.log(_LEVELS.get(name, logging.DEBUG), "Calling %s%r", name, arguments)
            self._repairing = name == "on_close" and self._retrying and not final
            hopeless = hopeless or (name == "on_noreconnect" and self._callbacks.has(name))
            self._callbacks.call(name, arguments)
        self._repairing = False
        if isinstance(event, Down | Ended):
            self._follow(event, hopeless)
        elif isinstance(event, Up):
            self._ends = 0

    def _follow(self, event: Down | Ended, hopeless: bool) -> None:
        """What a loss means: the end, or another feed."""
        why = event.why if isinstance(event, Ended) else event
        if why.status == FORBIDDEN:
            log.error("The access token was refused: log in again and give the new one to set_access_token()")
        if hopeless or not self._retrying:
            self.end()
        elif isinstance(event, Ended):
            self._link.drop()
            self._schedule(why)

    def _schedule(self, why: Down) -> None:
        if why.status == FORBIDDEN:
            self._reopen_s = None
            if self._tokens != self._opened_with:  # it came while the callbacks were told
                self._reopen_s = time.monotonic()
            return
        wait_s = min(LONGEST_WAIT_S, 2.0**self._ends) * random.random()  # noqa: S311 - no secret, only out of step
        self._reopen_s = time.monotonic() + wait_s
        self._ends += 1

    def _wait_and_reopen(self) -> None:
        self._listen()
        if self._reopen_s is None or self._reopen_s > time.monotonic():
            time.sleep(TURN_S)  # no lock to wait on: a signal's handler couldn't take it
            return
        self._opened_with = self._tokens
        try:
            self._link.open()
        except KiteError as cause:
            self._tell(Ended(Down(0, reason=str(cause))))
        else:
            self._heartbeats = self._heartbeats_now()


_LEVELS: Final = {
    "on_error": logging.WARNING,
    "on_close": logging.WARNING,
    "on_reconnect": logging.WARNING,
    "on_noreconnect": logging.ERROR,
    "on_connect": logging.INFO,
}


def _encoded(batch: Batch, message: Message) -> bytes:
    """The message again: the ring keeps no raw bytes. One packet for each tick a script wants, in the mode it sees."""
    ticks = batch.ticks[message.places]
    ticks["mode"] = message.modes
    assert batch.depth is not None  # of the port's promises
    return frame(encode_packets(ticks, batch.depth[message.places]))
