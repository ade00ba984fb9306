"""A run of a feed against the simulated exchange, at whose end both must have counted the same."""

from __future__ import annotations

import random
import time

from kitecli.broker.rest import BrokerSession
from kitecli.catalogue import todays_book
from kitecli.errors import EnvironmentProblem
from kitecli.gateway.handle import open_gateway
from kitecli.gateway.spec import GatewaySpec
from kitecli.hot import RingView
from kitecli.metrics.layout import line_counter
from kitecli.ring.layout import COUNTERS
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

PATIENCE_S = 60.0
LINES = 3


def counted_alike(seed):
    """One random run: instruments, modes, connections, messages of what size, changes on the way.

    Returns (what the exchange sent, what the feed counted) and the number of ticks; the two are equal, or the exchange
    was asked for a minute in vain.
    """
    chance = random.Random(seed)
    instruments, rate = chance.randint(100, 600), chance.choice([2.0, 10.0, 25.0])
    options = SimOptions(
        instruments=instruments, rate=rate, seed=seed, packets_per_frame=chance.choice([1, 7, 50]), rate_limits=False
    )
    with launch(options) as sim:
        tokens = [row.instrument_token for row in todays_book(session_of(sim))]
        spec = GatewaySpec(
            sim.ws_url, sim.api_key, {}, 1 << 12, None, Secret(sim.access_token), at_least=chance.randint(1, LINES)
        )
        with open_gateway(spec) as handle:
            for _ in range(chance.randint(1, 3)):
                wanted = chance.sample(tokens, chance.randint(1, len(tokens)))
                handle.subscribe({token: chance.choice(["ltp", "quote", "full"]) for token in wanted})
                time.sleep(chance.uniform(0.05, 0.3))
                handle.unsubscribe(wanted[::2])
            handle.unsubscribe(tokens)
            return settled(sim, handle)


def settled(sim, handle):
    """Once nothing is on its way any more; heartbeats still come, so both are asked until they agree."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            sent, seen = by_the_exchange(sim.ledger()), by_the_feed(handle)
        except EnvironmentProblem:  # it had no turn for some seconds: the machine is busy
            if time.monotonic() > deadline:
                raise
            continue
        if sent == seen or time.monotonic() > deadline:
            return sent, seen, seen["ticks"]
        time.sleep(0.02)


def by_the_exchange(ledger):
    totals = ledger["totals"]
    lines = ((one["live"] + one["snapshots"], one["frames"] + one["heartbeats"]) for one in ledger["connections"])
    return {
        "ticks": totals["live"] + totals["snapshots"],
        "messages": totals["frames"] + totals["heartbeats"],
        "heartbeats": totals["heartbeats"],
        "connections": sorted(lines),
        "damaged": 0,
    }


def by_the_feed(handle):
    ring = dict(zip(COUNTERS, RingView(handle.memory).counters().tolist(), strict=True))
    slot = handle.slot.figures().counters
    lines = ((slot[line_counter(line, "ticks")], slot[line_counter(line, "frames")]) for line in range(LINES))
    return {
        "ticks": ring["ticks"],
        "messages": ring["frames"],
        "heartbeats": ring["heartbeats"],
        "connections": sorted(line for line in lines if line != (0, 0)),
        "damaged": sum(ring[kind] for kind in ("empty", "truncated", "missing", "unknown_length", "trailing")),
    }


def session_of(sim):
    return BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
