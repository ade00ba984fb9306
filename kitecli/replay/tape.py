"""A recording as the supply of a gateway: at its pace, into the gateway's own ring."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from kitecli.feed.events import ConnectionStatus, FeedEvent
from kitecli.feed.liveness import State
from kitecli.gateway.steps import FeedSteps
from kitecli.market.gap import Gap
from kitecli.replay.pace import Pace
from kitecli.replay.player import Player
from kitecli.store.layout import FRAME
from kitecli.store.recording import Piece, Recording

TURN_TICKS: Final = 4096
"""Taken in half a millisecond; then whoever asks the gateway something gets a turn."""
LOOK_S: Final = 0.02
"""How soon a pause's end or another speed is noticed."""


@dataclass(frozen=True, slots=True)
class PlayPlan:
    """What of a recording is played. Times are epoch nanoseconds; ``tokens``: none are all.

    ``at_once``: without waiting for a reader; ``waits``: for readers that would lose ticks; ``stays``: the gateway
    doesn't end with the recording and its readers.
    """

    from_ns: int = 0
    to_ns: int | None = None
    tokens: frozenset[int] = field(default_factory=frozenset)
    speed: float = 1.0
    at_once: bool = False
    waits: bool = False
    stays: bool = False


class Tape:
    """Plays once. ``notify`` hears of connections, ``tell`` of outages, ``room`` says how many ticks may come now."""

    def __init__(
        self,
        recording: Recording,
        plan: PlayPlan,
        steps: FeedSteps,
        *,
        notify: Callable[[FeedEvent], None],
        tell: Callable[[Gap], None],
        ended: Callable[[], None],
        room: Callable[[], int] = lambda: TURN_TICKS,
    ) -> None:
        self.plan = plan
        self.pace = Pace(plan.speed)
        self.ended = False
        self.frames = 0
        self.from_ns = self.at_ns = plan.from_ns
        self._recording = recording
        self._steps = steps
        self._notify = notify
        self._on_end = ended
        self._room = room
        self._tell = tell
        self._player = Player(steps, plan.tokens, self._on_gap, whole=recording.whole and not plan.from_ns)
        self._states: dict[int, tuple[State, int]] = {}
        self._begun = asyncio.Event()
        self._skip_ns = 0
        if plan.at_once:
            self._begun.set()

    @property
    def state(self) -> str:
        """waiting (for its first reader), playing, paused or ended."""
        if self.ended:
            return "ended"
        return ("paused" if self.pace.paused else "playing") if self._begun.is_set() else "waiting"

    # What a gateway asks of its supply

    def subscribe(self, modes: Mapping[int, str]) -> None:  # noqa: ARG002 - what was recorded comes, and nothing else
        self._begun.set()

    def unsubscribe(self, tokens: Iterable[int]) -> None:
        """Readers pass over what they don't want."""

    def told(self) -> list[dict[int, str]]:
        return []

    def status(self) -> list[ConnectionStatus]:
        return [
            ConnectionStatus(index, state, since_ns, None, 0, self.at_ns, self.at_ns, 1, 1, 0, None)
            for index, (state, since_ns) in sorted(self._states.items())
        ]

    async def run(self) -> None:
        """Play until the end, then stand still. Raises as reading a recording does."""
        await self._begun.wait()
        for piece in self._pieces():
            await self._play(piece)
        self.ended = True
        self._on_end()
        await asyncio.Event().wait()

    # What its keys do

    def pause(self) -> None:
        self.pace.pause(self.at_ns, time.monotonic_ns())

    def faster(self, by: int) -> None:
        self.pace.faster(by, self.at_ns, time.monotonic_ns())

    def skip(self, to_ns: int) -> None:
        """Leave out what was recorded up to an instant; readers are told of an outage."""
        self._skip_ns = max(self._skip_ns, to_ns)

    # Playing

    def _pieces(self) -> Iterator[Piece]:
        """Those of the span; begun anew further on where some is skipped."""
        from_ns = self.plan.from_ns
        while True:
            for piece in self._recording.pieces(from_ns, self.plan.to_ns):
                yield piece
                if self._skip_ns > self.at_ns:
                    break
            else:
                return
            from_ns = self._skipped()

    def _skipped(self) -> int:
        before_ns, self.at_ns = self.at_ns, self._skip_ns
        self._steps.missed_by_all()
        self._on_gap(Gap(0, (), before_ns, self.at_ns, "skipped in the replay", self._steps.view.cursor()))
        self.pace.begin(self.at_ns, time.monotonic_ns())
        return self.at_ns

    async def _play(self, piece: Piece) -> None:
        instants = np.maximum.accumulate(piece.rows["ts_recv_ns"])
        at = 0
        if not self.pace.begun:
            self.from_ns = self.at_ns = int(instants[0])
            self.pace.begin(self.at_ns, time.monotonic_ns())
        while at < instants.size and self._skip_ns <= self.at_ns:
            due = int(np.searchsorted(instants, self.pace.due_ns(time.monotonic_ns()), "right"))
            if due <= at:
                wait_s = self.pace.wait_s(int(instants[at]), time.monotonic_ns())
                await asyncio.sleep(min(wait_s, LOOK_S))
                continue
            if (room := min(self._room(), TURN_TICKS)) <= 0:
                await asyncio.sleep(LOOK_S / 10)
                continue
            at = self._take(piece, at, due, room)
            self.at_ns = max(self.at_ns, int(instants[at - 1]))
            await asyncio.sleep(0)

    def _take(self, piece: Piece, at: int, due: int, room: int) -> int:
        stop = self._player.take(piece, at, due, room)
        rows = piece.rows[at:stop]
        frames = rows[rows["kind"] == FRAME]
        self.frames += frames.size
        for connection in set(frames["connection"].tolist()) - self._up:
            first = int(np.argmax(frames["connection"] == connection))
            self._enter(connection, State.LIVE, int(frames["ts_recv_ns"][first]))
        return stop

    @property
    def _up(self) -> set[int]:
        return {index for index, (state, _) in self._states.items() if state is State.LIVE}

    def _on_gap(self, gap: Gap) -> None:
        if gap.tokens:
            state = State.RECONNECTING if gap.to_ns is None else State.LIVE
            self._enter(gap.connection, state, gap.from_ns if gap.to_ns is None else gap.to_ns)
        self._tell(gap)

    def _enter(self, connection: int, state: State, since_ns: int) -> None:
        self._states[connection] = (state, since_ns)
        self._notify(FeedEvent(connection, state, since_ns))
