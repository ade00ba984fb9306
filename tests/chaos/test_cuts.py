"""Cuts of every kind, end to end: whatever happens to its sockets, a feed ends up with what it wants, and tells when
it was without it as the proxy saw it.
"""

from __future__ import annotations

import asyncio
import os
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from pooled import Stream, streaming, until

from kitecli.feed.address import TokenFileAddress
from kitecli.feed.liveness import State
from kitecli.sim.faults.kinds import DAMAGES
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions

INSTRUMENTS = 600
MODES = ("full", "quote", "ltp")
NEAR_NS = 500_000_000
"""On an idle machine the two records differ by a millisecond (the soak holds them to 50); tests share theirs."""
# A restoration is three texts, a subscription (which is in quote mode) and the other two modes; behind each of them the
# connection is cut once.
RULES = "".join(f"  - {{on_message: {at}, do: rst, times: 1}}\n" for at in (1, 2, 3))


@pytest.fixture(scope="module")
def sim():
    with launch(SimOptions(instruments=INSTRUMENTS, rate=5, rate_limits=False, faults="version: 1")) as sim:
        yield sim


def modes_of(sim: SimProcess) -> dict[int, str]:
    """Every instrument, a third of them in each mode; neighbours go to different connections."""
    with urllib.request.urlopen(sim.ready.control_url + "/instruments") as answer:
        rows = answer.read().decode().splitlines()[1:]
    return {int(row.partition(",")[0]): MODES[at * 3 // INSTRUMENTS] for at, row in enumerate(rows)}


ONE = {"connections": [1]}
CUTS = {
    "rst": [("rst", {})],
    "one of three": [("rst", ONE)],
    "refused for a while": [("refuse", {"for_s": 0.3})],
    "cut in the handshake": [("cut_handshake", {"stage": "response", "count": 1}), ("fin", ONE)],
    "frozen": [("freeze", {"for_s": 0.5})],
    "silent for a while": [("silence", {"for_s": 0.5} | ONE)],
    "silent for good": [("silence", {})],
    "half open": [("half_open", ONE)],
}
UNNOTICED = {"frozen", "silent for a while"}
"""Shorter than a feed may take for a silence: a pause, not an outage."""


@pytest.mark.parametrize("cut", CUTS)
def test_everything_wanted_is_restored_exactly(sim: SimProcess, cut: str):
    count = 1 if ONE.items() <= CUTS[cut][-1][1].items() else 3

    async def scenario():
        async with streaming(sim, modes_of(sim)) as stream:
            before = len(await stream.outages())
            for do, keys in CUTS[cut]:
                await stream.fault(do, **keys)
            mine = await ended(stream, before, count)
            await stream.restored()
            assert sum(outage["instruments"] for outage in mine) == INSTRUMENTS * count / 3
            assert all(outage["last_byte_ns"] <= outage["from_ns"] < outage["to_ns"] for outage in mine)
            compare(stream, [] if cut in UNNOTICED else mine)

    asyncio.run(scenario())


async def ended(stream: Stream, before: int, count: int) -> list[dict]:
    """The outages after the first ``before``, once there are ``count`` and all are over, by the feed's account too."""
    found: list[dict] = []

    async def is_so() -> bool:
        found[:] = (await stream.outages())[before:]
        over = len(found) == count and all(outage["to_ns"] for outage in found)
        return over and stream.states() <= {State.LIVE, State.QUIET}

    await until(is_so)
    return found


def compare(stream: Stream, outages: list[dict]) -> None:
    """The feed's record and the proxy's, by the lowest token that each was about."""
    told = {min(gap.tokens): gap for gap in stream.gaps}
    assert len(stream.gaps) == len(outages)
    for outage in outages:
        gap = told[outage["lowest_token"]]
        assert len(gap.tokens) == outage["instruments"]
        assert abs(gap.from_ns - outage["last_byte_ns"]) < NEAR_NS
        assert abs(gap.to_ns - outage["to_ns"]) < NEAR_NS


def test_a_restoration_cut_between_any_two_of_its_messages_begins_again():
    with launch(SimOptions(instruments=INSTRUMENTS, rate=5, faults=f"version: 1\nrules:\n{RULES}")) as sim:

        async def scenario():
            async with streaming(sim, modes_of(sim), connections=1) as stream:
                assert (await asyncio.to_thread(sim.status))["faults"] == {"rst": 3}
                assert not stream.damage.total()

        asyncio.run(scenario())


def test_a_dead_token_is_told_and_the_new_one_is_found(sim: SimProcess, tmp_path: Path):
    """The session ends, streaming goes on; the next handshake is refused, and nobody tries until a token comes."""
    path = tmp_path / "token"

    def put(token: str) -> None:
        fresh = tmp_path / "fresh"
        fresh.touch(0o600)
        fresh.write_text(token)
        os.replace(fresh, path)  # noqa: PTH105 - as a login would: never half written

    async def scenario():
        put(sim.access_token)
        async with streaming(sim, modes_of(sim), address=TokenFileAddress(sim.ws_url, sim.api_key, path)) as stream:
            token = await asyncio.to_thread(sim.renew_token)
            seen = stream.ticks.total()

            async def goes_on() -> bool:
                return stream.ticks.total() > seen + INSTRUMENTS

            await until(goes_on)
            assert stream.states() == {State.LIVE}
            before = len(await stream.outages())
            await stream.fault("rst")

            async def all_wait() -> bool:
                return State.AUTH in stream.states() and stream.states() <= {State.AUTH, State.RECONNECTING}

            await until(all_wait)
            put(token)
            compare(stream, await ended(stream, before, 3))
            await stream.restored()

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
            assert {status.connects for status in stream.pool.status()} == {1}

    asyncio.run(scenario())


def over(stream: Stream, deed: dict):
    async def is_so() -> bool:
        return (await asyncio.to_thread(stream.sim.faults))["faults"][deed["id"] - 1]["to_ns"] is not None

    return is_so


def test_a_damaged_message_costs_no_connection(sim: SimProcess):
    async def scenario():
        async with streaming(sim, modes_of(sim)) as stream:
            done = [deed for form in DAMAGES[:-1] for deed in await stream.fault("malformed", form=form, frames=3)]

            async def has_happened() -> bool:
                found = (await asyncio.to_thread(sim.faults))["faults"]
                return all(found[deed["id"] - 1]["hits"] == 3 for deed in done)

            await until(has_happened)
            seen = stream.ticks.total()

            async def goes_on() -> bool:
                return stream.ticks.total() > seen + INSTRUMENTS

            await until(goes_on)
            assert {status.connects for status in stream.pool.status()} == {1}
            assert {kind for kind, count in stream.damage.items() if count} >= {"missing", "unknown_length"}

    asyncio.run(scenario())
