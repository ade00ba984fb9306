"""A recording as what a gateway streams."""

from __future__ import annotations

import asyncio

import pytest

from kitecli.errors import RecordingDamaged
from kitecli.feed.liveness import State
from kitecli.gateway.steps import FeedSteps
from kitecli.replay.facts import FeedFacts
from kitecli.replay.tape import PlayPlan, Tape
from tests.replay.live import ROWS, memory_of
from tests.replay.made import TOKENS, at_ns, made_day


class Stage:
    """A tape with all it is told and tells."""

    def __init__(self, recording, plan, room=None):
        facts = FeedFacts.of(recording)
        self.ring, self.bars = facts.ring(ROWS), facts.bars(ROWS)
        self.events, self.gaps, self.ends = [], [], 0
        self.steps = FeedSteps(self.ring, self.bars, facts.hours())
        self.tape = Tape(
            recording,
            plan,
            self.steps,
            notify=lambda event: self.events.append((event.connection, event.state, event.since_ns)),
            tell=self.gaps.append,
            ended=self._end,
            **({"room": room} if room else {}),
        )

    def _end(self):
        self.ends += 1

    @property
    def ticks(self):
        return self.steps.view.cursor()

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.002)


def play(recording, plan, script=None, room=None):
    """Run a tape until its end, with a script beside it."""

    async def run():
        stage = Stage(recording, plan, room)
        task = asyncio.create_task(stage.tape.run())
        if script is not None:
            await script(stage)
        await stage.until(lambda: stage.ends or task.done())
        if task.done():
            task.result()
        task.cancel()
        return stage

    return asyncio.run(run())


@pytest.fixture
def live(tmp_path):
    return made_day(tmp_path)


def test_at_full_speed_it_leaves_the_feeds_memory(live):
    with live.end() as recording:
        stage = play(recording, PlayPlan(speed=0, at_once=True))
    assert memory_of(stage.ring) == memory_of(live.ring)
    assert memory_of(stage.bars) == memory_of(live.bars)
    assert stage.gaps == live.gaps
    assert (stage.tape.state, stage.tape.frames, stage.ends) == ("ended", 85, 1)
    assert (stage.tape.from_ns, stage.tape.at_ns) == (at_ns(0), at_ns(89.5))


def test_connections_are_up_while_messages_come_and_down_in_an_outage(live):
    with live.end() as recording:
        stage = play(recording, PlayPlan(speed=0, at_once=True))
    assert stage.events == [
        (0, State.LIVE, at_ns(0)),
        (0, State.RECONNECTING, at_ns(20)),
        (0, State.LIVE, at_ns(25)),
    ]
    (status,) = stage.tape.status()
    assert (status.index, status.state, status.last_tick_ns) == (0, State.LIVE, at_ns(89.5))


def test_it_waits_for_its_first_reader(live):
    async def script(stage):
        await asyncio.sleep(0.05)
        assert (stage.tape.state, stage.ticks) == ("waiting", 0)
        stage.tape.subscribe({})

    with live.end() as recording:
        assert play(recording, PlayPlan(speed=0), script).ticks == 255


def test_as_fast_as_recorded_nothing_comes_before_its_time(tmp_path):
    live = made_day(tmp_path, 5)

    async def script(stage):
        began_s = asyncio.get_running_loop().time()
        await stage.until(lambda: stage.ticks == 15)
        assert asyncio.get_running_loop().time() - began_s >= 0.4 - 0.01

    with live.end() as recording:
        play(recording, PlayPlan(speed=10, at_once=True), script)


def test_a_pause_stops_it_and_another_speed_goes_on(live):
    async def script(stage):
        stage.tape.pause()
        await asyncio.sleep(0.05)
        assert stage.ticks <= 3
        assert stage.tape.state == "paused"
        stage.tape.pause()
        while stage.tape.pace.speed:
            stage.tape.faster(1)

    with live.end() as recording:
        stage = play(recording, PlayPlan(speed=0.25, at_once=True), script)
    assert stage.ticks == 255


def test_what_is_skipped_is_an_outage_for_everybody(live):
    async def script(stage):
        await stage.until(lambda: stage.ticks >= 3)
        stage.tape.skip(at_ns(70))
        stage.tape.faster(9)

    with live.end() as recording:
        stage = play(recording, PlayPlan(speed=0.25, at_once=True), script)
    (skipped,) = stage.gaps
    assert (skipped.tokens, skipped.cause, skipped.to_ns) == ((), "skipped in the replay", at_ns(70))
    assert stage.ticks == skipped.sequence + 20 * 3


def test_it_comes_to_a_stand_where_there_is_no_room(live):
    room = [6]

    async def script(stage):
        await stage.until(lambda: stage.ticks >= 6)
        room[0] = 0
        held = stage.ticks
        await asyncio.sleep(0.05)
        assert stage.ticks == held
        room[0] = 1 << 12

    with live.end() as recording:
        assert play(recording, PlayPlan(speed=0, at_once=True), script, lambda: room[0]).ticks == 255


def test_of_some_instruments_and_of_a_span(live):
    plan = PlayPlan(at_ns(60), at_ns(70), frozenset({TOKENS["TCS"]}), 0, at_once=True)
    with live.end() as recording:
        assert play(recording, plan).ticks == 10


def test_damage_ends_it_unless_it_is_to_go_on(live, tmp_path):
    live.end().close()
    path = min(tmp_path.glob("*.kseg"))
    data = bytearray(path.read_bytes())
    data[9_000] ^= 1
    path.write_bytes(data)
    from kitecli.store.recording import Recording

    with Recording.open(tmp_path) as recording, pytest.raises(RecordingDamaged):
        play(recording, PlayPlan(speed=0, at_once=True))
    with Recording.open(tmp_path, past_damage=True) as recording:
        stage = play(recording, PlayPlan(speed=0, at_once=True))
    assert stage.ticks == 84 * 3
    assert [gap.cause.partition(":")[0] for gap in stage.gaps if not gap.tokens] == ["lost to damage"]
