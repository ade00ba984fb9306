"""A gateway whose messages come from a recording: on a loop of the test's, in private memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from kitecli.gateway.messages import Hello, Subscribe
from kitecli.gateway.spec import feed_name
from kitecli.replay.facts import FeedFacts
from kitecli.replay.gateway import REPLAY_NAME, ReplayGateway, replay_spec
from kitecli.replay.tape import PlayPlan
from tests.replay.made import FACTS, TOKENS, at_ns, made_day

HELLO = Hello("test", 1)
WANT = Subscribe({TOKENS["INFY"]: "full"}, keep=False, groups={})


def with_gateway(recording, plan, script):
    """Run a gateway beside a script; returns it, and its events."""

    async def run():
        events = []
        facts = FeedFacts.of(recording)
        spec = replace(replay_spec(recording, facts, "/nowhere"), folder=None)
        gateway = ReplayGateway(spec, events.append, recording, plan)
        task = asyncio.create_task(gateway.run())
        await script(gateway)
        async with asyncio.timeout(20):
            await task
        gateway.close()
        return gateway, events

    return asyncio.run(run())


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


def test_it_plays_to_its_first_reader_and_ends_with_the_last_one_behind_its_end(tmp_path):
    async def script(gateway):
        gateway.join(1, HELLO)
        assert gateway.status()["replay"]["state"] == "waiting"
        gateway.answer(1, WANT)
        await until(lambda: gateway.tape.ended)
        status = gateway.status()
        assert status["replay"] | {"folder": ""} == {
            "day": "2026-11-20",
            "folder": "",
            "past_damage": False,
            "state": "ended",
            "speed": 0,
            "from_ns": at_ns(0),
            "at_ns": at_ns(89.5),
            "to_ns": None,
            "at": "10:01:29 IST",
        }
        assert status["label"] == "replay 2026-11-20"
        assert (status["gaps"]["total"], status["counters"]["frames"]) == (1, 85)
        assert not gateway.ending
        gateway.leave(1)
        assert gateway.ending

    with made_day(tmp_path).end() as recording:
        gateway, events = with_gateway(recording, PlayPlan(speed=0), script)
    assert [event.state for event in events if event.kind == "connection"] == ["live", "reconnecting", "live"]
    assert [event.data["to_ns"] for event in events if event.kind == "gap"] == [None, at_ns(25)]
    assert (gateway.ticks, gateway.outages, gateway.lost) == (255, 1, 0)


def test_who_leaves_before_the_end_leaves_it_playing(tmp_path):
    async def script(gateway):
        gateway.join(1, HELLO)
        gateway.answer(1, WANT)
        gateway.leave(1)
        assert not gateway.ending

    with made_day(tmp_path).end() as recording:
        assert with_gateway(recording, PlayPlan(speed=0), script)[0].ticks == 255


def test_it_may_stay_behind_its_end(tmp_path):
    async def script(gateway):
        await until(lambda: gateway.tape.ended)
        await asyncio.sleep(0.02)
        assert not gateway.ending
        gateway.stop("the test")

    with made_day(tmp_path).end() as recording:
        with_gateway(recording, PlayPlan(speed=0, at_once=True, stays=True), script)


def test_going_on_skips_and_going_back_ends_it_for_another(tmp_path):
    async def script(gateway):
        await until(lambda: gateway.ticks)
        gateway.jump(at_ns(60))
        await until(lambda: gateway.tape.at_ns >= at_ns(60))
        gateway.tape.faster(1)
        gateway.jump(at_ns(10))

    with made_day(tmp_path).end() as recording:
        gateway, events = with_gateway(recording, PlayPlan(speed=1, at_once=True), script)
    assert (gateway.again.from_ns, gateway.again.speed, gateway.outages) == (at_ns(10), 2.0, 1)
    assert "goes back to 10:00:10 IST" in events[-1].data


def test_it_is_set_up_as_the_recorded_feed_was_and_passes_for_no_other(tmp_path):
    with made_day(tmp_path, 1).end() as recording:
        spec = replay_spec(recording, FeedFacts.of(recording), "/run")
    assert (spec.ring_size, spec.intervals, spec.bar_capacity) == (FACTS.ring_size, FACTS.intervals, FACTS.bar_capacity)
    assert (spec.name, spec.folder, spec.record) == (REPLAY_NAME, "/run", None)
    assert feed_name("replay", "wss://ws.kite.trade") != REPLAY_NAME
