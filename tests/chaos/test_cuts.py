"""Cuts of every kind, end to end: whatever happens to its sockets, a feed ends up with what it wants."""

from __future__ import annotations

import asyncio
import urllib.request
from collections import Counter

import pytest
from pooled import Stream, streaming, until

from kitecli.feed.connection import State
from kitecli.sim.faults.kinds import DAMAGES
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions

INSTRUMENTS = 600
MODES = ("full", "quote", "ltp")
# A restoration is four texts, a subscribe and a mode each for three; behind each of them every connection is cut once.
RULES = "".join(f"  - {{on_message: {at}, do: rst, times: 3}}\n" for at in (1, 2, 3, 4))


@pytest.fixture(scope="module")
def sim():
    with launch(SimOptions(instruments=INSTRUMENTS, rate=5, rate_limits=False, faults="version: 1")) as sim:
        yield sim


def modes_of(sim: SimProcess) -> dict[int, str]:
    """Every instrument, a third of them in each mode; neighbours go to different connections."""
    with urllib.request.urlopen(sim.ready.control_url + "/instruments") as answer:
        rows = answer.read().decode().splitlines()[1:]
    return {int(row.partition(",")[0]): MODES[at * 3 // INSTRUMENTS] for at, row in enumerate(rows)}


CUTS = {
    "rst": [("rst", {})],
    "one of three": [("rst", {"connections": [1]})],
    "refused for a while": [("refuse", {"for_s": 0.3})],
    "cut in the handshake": [("cut_handshake", {"stage": "response", "count": 1}), ("fin", {})],
    "frozen": [("freeze", {"for_s": 0.5})],
    "silent for a while": [("silence", {"for_s": 0.5})],
}


@pytest.mark.parametrize("cut", CUTS)
def test_everything_wanted_is_restored_exactly(sim: SimProcess, cut: str):
    async def scenario():
        async with streaming(sim, modes_of(sim)) as stream:
            before = len(await stream.outages())
            for do, keys in CUTS[cut]:
                await stream.fault(do, **keys)
            await all_over(stream, before + (1 if cut == "one of three" else 3))
            await stream.restored()
            mine = (await stream.outages())[before:]
            assert sum(outage["instruments"] for outage in mine) == INSTRUMENTS / (3 if cut == "one of three" else 1)
            assert all(outage["last_byte_ns"] <= outage["from_ns"] < outage["to_ns"] for outage in mine)

    asyncio.run(scenario())


async def all_over(stream: Stream, count: int) -> None:
    async def is_so() -> bool:
        outages = await stream.outages()
        return len(outages) == count and all(outage["to_ns"] for outage in outages)

    await until(is_so)


def test_a_restoration_cut_between_any_two_of_its_messages_begins_again():
    with launch(SimOptions(instruments=INSTRUMENTS, rate=5, faults=f"version: 1\nrules:\n{RULES}")) as sim:

        async def scenario():
            async with streaming(sim, modes_of(sim)) as stream:
                assert (await asyncio.to_thread(sim.status))["faults"] == {"rst": 12}
                assert not stream.damage.total()

        asyncio.run(scenario())


SHAPES = [
    ("split", {"pieces": 3}),
    ("split", {"into": "fragments", "pieces": 4}),
    ("merge", {"frames": 5}),
    ("slow", {"delay": "50ms"}),
]


def test_no_tick_is_lost_however_frames_arrive(sim: SimProcess):
    def sent() -> Counter[int]:
        return Counter({int(token): sum(both) for token, both in sim.ledger()["tokens"].items()})

    async def scenario():
        before = await asyncio.to_thread(sent)
        async with streaming(sim, modes_of(sim)) as stream:
            for do, keys in SHAPES:
                [done] = await stream.fault(do, for_s=0.3, **keys)
                assert done["hits"] == 3
                seen = stream.ticks.total()
                await until(over(stream, done))
                assert stream.ticks.total() > seen
            stream.pool.unsubscribe(stream.modes)

            async def is_equal() -> bool:
                return stream.ticks == (await asyncio.to_thread(sent)) - before

            await until(is_equal)
            assert not stream.damage.total()
            assert {event.state for event in stream.events} == {State.CONNECTING, State.OPEN}

    asyncio.run(scenario())


def over(stream: Stream, deed: dict):
    async def is_so() -> bool:
        return (await asyncio.to_thread(stream.sim.faults))["faults"][deed["id"] - 1]["to_ns"] is not None

    return is_so


def test_a_damaged_message_costs_no_connection(sim: SimProcess):
    async def scenario():
        async with streaming(sim, modes_of(sim)) as stream:
            events = len(stream.events)
            done = [deed for form in DAMAGES[:-1] for deed in await stream.fault("malformed", form=form, frames=3)]

            async def has_happened() -> bool:
                found = (await asyncio.to_thread(sim.faults))["faults"]
                return all(found[deed["id"] - 1]["hits"] == 3 for deed in done)

            await until(has_happened)
            seen = stream.ticks.total()

            async def goes_on() -> bool:
                return stream.ticks.total() > seen + INSTRUMENTS

            await until(goes_on)
            assert len(stream.events) == events, "nothing happened to any connection"
            assert {kind for kind, count in stream.damage.items() if count} >= {"missing", "unknown_length"}

    asyncio.run(scenario())
