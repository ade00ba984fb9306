"""What a soak with cuts needs around the gateway: the truth of the proxy, the gateway's word, every tick's flags."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np

from kitecli.broker.rest import BrokerSession, fetch_instruments
from kitecli.errors import EnvironmentProblem, HandshakeRateLimited
from kitecli.feed.liveness import UP
from kitecli.gateway.feed import Feed
from kitecli.gateway.handle import attach, open_gateway
from kitecli.gateway.spec import GatewayEvent, GatewaySpec
from kitecli.market.gap import Gap
from kitecli.market.instruments import parse_instruments
from kitecli.market.tick import FLAG_SNAPSHOT
from kitecli.secret import Secret
from kitecli.sim.launcher import SimProcess
from tests.soak.measured import waiting_s

T = TypeVar("T")
MODES = ("full", "quote", "ltp")
DEADLINE_S = 40.0
NEAR_NS = 50_000_000
LOOK_S = 0.03
SETTLED_S = 1.2
"""A connection cut within its first second is taken for one that never worked, and waits longer: not what is meant."""
CHANGED = 40
"""How many instruments get another mode, or are let go of, while a connection is down."""
FIXED = 100
"""The lowest tokens are never dropped: gaps and outages are known by the lowest they are about."""


def all_tokens(sim: SimProcess) -> list[int]:
    session = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
    return sorted(row.instrument_token for row in parse_instruments(fetch_instruments(session)))


class Rig(AbstractContextManager["Rig"]):
    """A gateway with every instrument of ``sim``, a third in each mode, on three connections; and one who reads."""

    def __init__(self, sim: SimProcess, folder: Path, seed: int) -> None:
        self.sim = sim
        self.seats = 3
        self.dice = random.Random(seed)
        self.tokens = all_tokens(sim)
        self.wanted = {token: MODES[at * 3 // len(self.tokens)] for at, token in enumerate(self.tokens)}
        self.rate_limited = self.unanswered = 0
        access = Secret(sim.access_token)
        spec = GatewaySpec(
            sim.ws_url, sim.api_key, self.wanted, 1 << 19, str(folder), access_token=access, at_least=3
        )  # fmt: skip
        self.gateway = open_gateway(spec)
        self.feed = Feed(self.gateway, attach(self.gateway.memory, batch=20_000, depth=False), self._hear)
        self.log = TickLog(self.feed)
        self.sockets = SocketWatch(int(sim.ws_url.rpartition(":")[2]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sockets.stop()
        self.feed.close()
        self.log.join()

    def restored(self) -> bool:
        """Whether the exchange has every instrument once, in the mode that is wanted."""
        served = self.ask(self.sim.subscriptions)
        told = Counter(token for modes in served.values() for token in modes)
        together = {token: mode for modes in served.values() for token, mode in modes.items()}
        return together == self.wanted and set(told.values()) <= {1}

    def ask(self, question: Callable[[], T]) -> T:
        """Of the exchange, whose answer takes longer than five seconds now and then on a machine full of work."""
        try:
            return question()
        except EnvironmentProblem:
            self.unanswered += 1
            return question()

    def truth(self, of: str) -> list[dict]:
        """The proxy's ``faults`` or ``outages``."""
        return self.ask(self.sim.faults)[of]

    def up(self) -> bool:
        return len(self.feed.connections) == 3 and set(self.feed.connections.values()) <= UP

    def change_modes(self) -> None:
        """A few other modes, a few instruments less, and those that were let go of before back again."""
        some = self.dice.sample(self.tokens[FIXED:], CHANGED)
        back = [token for token in self.tokens if token not in self.wanted]
        change = {token: self.dice.choice(MODES) for token in [*some[:-10], *back]}
        dropped = [token for token in some[-10:] if token in self.wanted and token not in change]
        self.gateway.unsubscribe(dropped)
        self.gateway.subscribe(change)
        self.wanted = {token: mode for token, mode in (self.wanted | change).items() if token not in set(dropped)}

    def waited_ns(self) -> int:
        """How long gateway and exchange have been ready to run without getting a processor."""
        assert self.gateway.pid is not None
        return round((waiting_s(self.gateway.pid) + waiting_s(self.sim.pid)) * 1e9)

    def _hear(self, event: GatewayEvent) -> None:
        self.rate_limited += isinstance(event.failure(), HandshakeRateLimited)


class TickLog(threading.Thread):
    """Reads every tick of ``feed`` and keeps (sequence, token, flags) until they are taken."""

    def __init__(self, feed: Feed) -> None:
        super().__init__(name="tick log")
        self.lost = 0
        self._feed = feed
        self._kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.start()

    def run(self) -> None:
        for batch in self._feed:
            self.lost += batch.lost
            self._kept.append((batch.sequences, batch.ticks["token"].copy(), batch.ticks["flags"].copy()))

    def take(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        kept, self._kept = self._kept, []
        empty = (np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.uint16))
        sequences, tokens, flags = zip(empty, *kept, strict=True)
        return np.concatenate(sequences), np.concatenate(tokens), np.concatenate(flags)


class SocketWatch(threading.Thread):
    """The most connections to ``port`` there were at once, by the kernel's table, looked at a hundred times a second.

    The table is no snapshot: it is read in pieces while sockets come and go. Those that stand in two looks in a row
    were all there in between.
    """

    def __init__(self, port: int) -> None:
        super().__init__(name="socket watch")
        self.most = self.looks = 0
        self._address = f"0100007F:{port:04X}"
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        before: set[str] = set()
        while not self._stopped.wait(0.01):
            rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines() if self._address in row]
            now = {row[2] for row in rows if row[1] == self._address and row[3] == "01"}
            self.most = max(self.most, len(now & before))
            before = now
            self.looks += 1

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def merged(gaps: list[Gap]) -> list[Gap]:
    """Outages of a connection that follow one another at once are one: its restoration was cut when it had spoken."""
    found: list[Gap] = []
    for gap in sorted(gaps, key=lambda gap: (gap.connection, gap.from_ns)):
        last = found[-1] if found else None
        if last and last.connection == gap.connection and gap.from_ns - (last.to_ns or 0) < NEAR_NS:
            found[-1] = replace(gap, from_ns=last.from_ns, tokens=last.tokens)
        else:
            found.append(gap)
    return found


def first_flags(gap: Gap, wanted: Mapping[int, str], ticks: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Counter[str]:
    """Of the outage's instruments: those whose first tick after it is flagged as a snapshot, isn't, or never came."""
    sequences, tokens, flags = ticks
    after = sequences >= (gap.sequence or 0)
    found, first = np.unique(tokens[after], return_index=True)
    flagged = (flags[after][first] & FLAG_SNAPSHOT) > 0
    seen = dict(zip(found.tolist(), flagged.tolist(), strict=True))
    names = {True: "flagged", False: "unflagged", None: "missing"}
    return Counter(names[seen.get(token)] for token in gap.tokens if token in wanted)


def until(condition: Callable[[], bool], what: str, timeout_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not in {timeout_s:g} s: {what}"
        time.sleep(LOOK_S)


def percentiles(values_ns: list[int], unit_ns: float) -> str:
    """p50, p99 and the largest."""
    if not values_ns:
        return f"{'-':>8} {'-':>8} {'-':>8}"
    p50, p99 = np.percentile(values_ns, [50, 99])
    return " ".join(f"{value / unit_ns:8.2f}" for value in (p50, p99, max(values_ns)))
