"""A gateway whose messages come from a recording. To its readers it is a feed; it says of itself that it is none."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Final

from kitecli.clock import NS_PER_S, ist
from kitecli.feed.transport import Transport
from kitecli.gateway.core import Gateway, Say, Supply
from kitecli.gateway.spec import GatewaySpec, feed_name
from kitecli.replay.facts import FeedFacts
from kitecli.replay.tape import PlayPlan, Tape
from kitecli.ring.policy import Policy
from kitecli.store.recording import Recording

API_KEY: Final = "replay"
WS_ROOT: Final = "replay:"
"""No address: nobody but a replay has this name, and a feed that is started by it connects to nothing."""
REPLAY_NAME: Final = feed_name(API_KEY, WS_ROOT)


def replay_spec(recording: Recording, facts: FeedFacts, folder: str) -> GatewaySpec:
    """A gateway as the recorded one was: its bars, and when they begin and end."""
    return GatewaySpec(
        ws_root=WS_ROOT,
        api_key=API_KEY,
        modes={},
        ring_size=facts.ring_size,
        folder=folder,
        label=f"replay {recording.day}",
        intervals=facts.intervals,
        bar_capacity=facts.bar_capacity,
        bar_grace_ms=facts.bar_grace_ms,
        timelines=facts.timelines,
    )


class ReplayGateway(Gateway):
    """Waits for its first reader, plays, and ends with the last one that is there behind the recording's end."""

    def __init__(self, spec: GatewaySpec, say: Say, recording: Recording, plan: PlayPlan) -> None:
        self._recorded = recording
        self._plan = plan
        super().__init__(spec, say)

    @property
    def ticks(self) -> int:
        return self._view.cursor()

    @property
    def lost(self) -> int:
        """Ticks that readers have lost, together."""
        return sum(one.lost for one in self._keeper.readers()) if self._keeper is not None else 0

    @property
    def outages(self) -> int:
        return self._gaps.total

    def status(self) -> dict[str, object]:
        return {**super().status(), "replay": self.progress()}

    def _card(self) -> dict[str, object]:
        return {**super()._card(), "replay": True}

    def progress(self) -> dict[str, object]:
        """How far it has come; times are epoch nanoseconds."""
        tape = self.tape
        return {
            "day": self._recorded.day.isoformat(),
            "folder": str(self._recorded.place),
            "past_damage": self._recorded.past_damage,
            "state": tape.state,
            "speed": tape.pace.speed,
            "from_ns": tape.from_ns,
            "at_ns": tape.at_ns,
            "to_ns": self._plan.to_ns,
            "at": f"{ist(tape.at_ns // NS_PER_S):%H:%M:%S} IST" if tape.at_ns else "",
        }

    def jump(self, to_ns: int) -> None:
        """Go on at another instant of the day. Time in a ring goes one way, so going back ends this gateway."""
        if to_ns >= self.tape.at_ns:
            self.tape.skip(to_ns)
            return
        self.again = replace(self._plan, from_ns=to_ns, speed=self.tape.pace.speed)
        self.stop(f"the replay goes back to {ist(to_ns // NS_PER_S):%H:%M:%S} IST: join again")

    again: PlayPlan | None = None
    """What to play by another gateway, where this one was told to go back."""

    def _new_pool(self, transport: Transport) -> Supply:  # noqa: ARG002 - nobody is called
        self.tape = Tape(
            self._recorded,
            self._plan,
            self._steps,
            notify=self._on_feed_event,
            tell=self._tell_gap,
            ended=self._end_if_unwanted,
            room=self._room,
        )
        return self.tape

    def _works(self) -> tuple[Coroutine[None, None, None], ...]:
        """The clock that closes bars is recorded, and no instrument is called silent by ours."""
        return (self.tape.run(), self._watch_seats())

    def _room(self) -> int:
        """How many ticks can come without a loss to any reader that wants every one."""
        if not self._plan.waits or self._keeper is None:
            return self.memory.layout.capacity
        behind = min((one.position for one in self._keeper.readers() if one.policy is Policy.EVERY), default=None)
        cursor = self._view.cursor()
        return self.memory.layout.capacity // 2 - (cursor - (cursor if behind is None else behind))

    def _end_if_unwanted(self) -> None:
        if not self.tape.ended or self._plan.stays:
            return
        self._expected = False
        super()._end_if_unwanted()
