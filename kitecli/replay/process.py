"""``kite replay``: this process is the replay's gateway, from its first reader to its last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kitecli.errors import FeedError
from kitecli.gateway.core import Gateway, Say
from kitecli.gateway.lock import FeedCard, FeedPlace, take
from kitecli.gateway.process import loop_factory, serve
from kitecli.replay.facts import FeedFacts
from kitecli.replay.gateway import REPLAY_NAME, ReplayGateway, replay_spec
from kitecli.replay.tape import PlayPlan
from kitecli.store.recording import Recording


@dataclass(frozen=True, slots=True)
class Played:
    """What a replay did. ``ticks`` and ``frames`` are those of its last gateway: one that was told to go back ends."""

    day: str
    state: str
    ticks: int
    frames: int
    outages: int
    from_ns: int
    at_ns: int


def replay(
    recording: Recording, facts: FeedFacts, plan: PlayPlan, folder: Path, watch: Callable[[ReplayGateway], None]
) -> Played:
    """Play until the end is reached and nobody reads any more, or until stopped. ``watch``: called on the loop as soon
    as readers can join, and again where a new gateway plays, because one was told to go back.

    Raises :class:`FeedError` where another replay runs, and as reading a recording does.
    """
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        gateway = runner.run(_play(recording, facts, plan, folder, watch))
        while gateway.again is not None:
            gateway = runner.run(_play(recording, facts, gateway.again, folder, watch))
    progress, tape = gateway.progress(), gateway.tape
    return Played(
        str(progress["day"]), tape.state, gateway.ticks, tape.frames, gateway.outages, tape.from_ns, tape.at_ns
    )


async def _play(
    recording: Recording, facts: FeedFacts, plan: PlayPlan, folder: Path, watch: Callable[[ReplayGateway], None]
) -> ReplayGateway:
    place = FeedPlace(folder, REPLAY_NAME)
    held = take(place)
    if held is None:
        raise _another(place)
    made: list[ReplayGateway] = []

    def make(say: Say) -> Gateway:
        made.append(ReplayGateway(replay_spec(recording, facts, str(folder)), say, recording, plan))
        return made[0]

    await serve(place, held, make, lambda _: watch(made[0]))
    return made[0]


def _another(place: FeedPlace) -> FeedError:
    card = FeedCard.read(place.card)
    who = f"process {card.pid} plays {card.label.removeprefix('replay ')}" if card else "another process has its place"
    return FeedError("A replay runs already", why=f"{who}, and there is one at a time", hint="end it: kite stop")
