"""A feed's files, lock and card, without its process: what ``kite stats`` looks at is all there."""

from __future__ import annotations

import os

from kitecli.feed.events import ConnectionStatus
from kitecli.feed.liveness import State
from kitecli.gateway.figures import GatewayFigures, Look, ReaderFigures
from kitecli.gateway.lock import FeedCard, FeedPlace, take
from kitecli.gateway.mapped import seats_path
from kitecli.hot import FramePass
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.policy import Policy
from kitecli.ring.seats import Seat, SeatKeeper

S = 1_000_000_000
STARTED_NS = 1_795_391_057 * S
"""Some evening in November 2026."""


class StandingFeed:
    """``frames`` takes messages in; ``note()`` brings its own figures up to date; ``read()`` seats a reader."""

    def __init__(self, folder, name="0123abcd", label="simulated"):
        self.place = FeedPlace(folder, name)
        self.held = take(self.place)
        self.memory = RingMemory.create(self.place.ring, RingLayout.of(1024, 64))
        self.keeper = SeatKeeper(seats_path(self.memory.path))
        self.frames = FramePass(self.memory)
        self.figures = GatewayFigures(self.memory.path, self.frames)
        self.card = FeedCard(1, name, os.getpid(), str(self.memory.path), STARTED_NS, label, socket="nowhere")
        self.card.write(self.place.card)
        self.seats, self.readers = [], []
        self.note()

    def note(self, **changes):
        line = ConnectionStatus(0, State.LIVE, STARTED_NS, None, 3, STARTED_NS, STARTED_NS, 2, 2, 1, 12_000_000)
        down = ConnectionStatus(1, State.DOWN, STARTED_NS, None, 0, None, None, 1, 0, 0, None)
        standing = {"instruments": 3, "clients": 2, "gaps": 4, "gaps_open": 1, "buffer_lag": 0, "recording": None}
        self.figures.note(Look([line, down], **{**standing, **changes}), STARTED_NS, 0.0)

    def read(self, position, *, conflated=0, lost=0):
        """A reader that has come to ``position``; returns its figures."""
        seat = Seat.take(self.keeper.page and seats_path(self.memory.path))
        seat.begin(0, Policy.EVERY)
        seat.report(position, conflated, lost)
        self.seats.append(seat)
        self.readers.append(ReaderFigures(self.memory.path, seat.index))
        return self.readers[-1]

    def end(self):
        """As a gateway does."""
        for seat in self.seats:
            seat.leave()
        self.seats = []
        self.frames.close()
        self.keeper.close()
        self.memory.remove()
        self.figures.remove()
        self.place.card.unlink(missing_ok=True)
        self.held.release()
