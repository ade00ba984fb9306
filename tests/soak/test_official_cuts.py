"""The same faults against the official KiteTicker, 3,000 instruments on one connection: what does it restore, when, and
what does it tell? A comparison, not a judgement: nothing is asserted but that it ran.

``KITE_OFFICIAL_CUTS`` is how many of each kind. Run it with ``make soak ARGS=-s`` to see the table.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions
from tests.soak.cuts import KINDS, Kind, damaged, reserved_opcode, rst_of_all
from tests.soak.cutting import MODES, all_tokens

pytestmark = pytest.mark.soak

EACH = int(os.environ.get("KITE_OFFICIAL_CUTS", "2"))
PATIENCE_S = 45.0
INSTRUMENTS = 3000
SETTLED_S = 3.0
DAMAGE_NS = 5_000_000_000
CLIENT = Path(__file__).with_name("official_client.py")


class Official:
    """A KiteTicker, and what it said."""

    seats = 1

    def __init__(self, sim: SimProcess) -> None:
        self.sim = sim
        self.dice = random.Random(7)
        tokens = all_tokens(sim)
        self.wanted = {token: MODES[at * 3 // len(tokens)] for at, token in enumerate(tokens)}
        self.said: list[dict] = []
        self._process = subprocess.Popen(
            [sys.executable, str(CLIENT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        by_mode = {mode: [token for token, its in self.wanted.items() if its == mode] for mode in MODES}
        keys = {"api_key": sim.api_key, "access_token": sim.access_token, "ws_url": sim.ws_url}
        self._tell(keys | {"modes": by_mode})
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()

    def change_modes(self) -> None:
        change = {token: self.dice.choice(MODES) for token in self.dice.sample(sorted(self.wanted), 30)}
        self.wanted |= change
        self._tell({mode: [token for token, its in change.items() if its == mode] for mode in set(change.values())})

    def truth(self, of: str) -> list[dict]:
        return self.sim.faults()[of]

    def right(self) -> tuple[bool, bool]:
        """Whether the exchange has all its instruments, and all in the modes that are wanted."""
        served = [modes for modes in self.sim.subscriptions().values() if modes]
        together = {token: mode for modes in served for token, mode in modes.items()}
        return together.keys() == self.wanted.keys(), together == self.wanted

    def _tell(self, what: dict) -> None:
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        self.said += map(json.loads, self._process.stdout)  # a list grows as it is extended


@dataclass
class Row:
    restored: list[bool] = field(default_factory=list)
    modes: list[bool] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    told_s: list[float] = field(default_factory=list)
    callbacks: Counter[str] = field(default_factory=Counter)

    def line(self, kind: str) -> str:
        times = " ".join(f"{took:.1f}" for took in sorted(self.took_s)) or "-"
        told = " ".join(f"{told:.1f}" for told in sorted(self.told_s)) or "never"
        return (
            f"{kind:16s} {sum(self.restored)}/{len(self.restored):<8d} {sum(self.modes)}/{len(self.modes):<8d}"
            f" {times:22s} {told:22s} {', '.join(f'{what} {count}' for what, count in self.callbacks.items())}"
        )


def test_the_official_client_meets_the_same():
    kinds = [kind for kind in KINDS if kind is not rst_of_all for _ in range(EACH)]  # it has one connection
    rows = {kind.__name__: Row() for kind in KINDS}
    with launch(SimOptions(instruments=INSTRUMENTS, rate=0.3, rate_limits=False, faults="version: 1")) as sim:
        official = started(sim)
        try:
            for kind in kinds:
                cut(official, kind, rows[kind.__name__])
                if not rows[kind.__name__].modes[-1]:  # with what is wrong from now on the next row would be wrong
                    official.close()
                    official = started(sim)
        finally:
            official.close()  # its process keeps this one from ending
    print(f"\n{'KiteTicker':16s} {'restored':10s} {'modes':10s} {'back after s':22s} {'told after s':22s} callbacks")
    for name, row in rows.items():
        if row.restored:
            print(row.line(name))
    assert sum(len(row.restored) for row in rows.values()) == len(kinds)


def started(sim: SimProcess) -> Official:
    official = Official(sim)
    deadline = time.monotonic() + PATIENCE_S
    while official.right() != (True, True):
        assert time.monotonic() < deadline, official.said
        time.sleep(0.1)
    time.sleep(SETTLED_S)
    return official


def cut(official: Official, kind: Kind, row: Row) -> None:
    before, heard, began_ns = len(official.truth("outages")), len(official.said), time.time_ns()
    try:
        kind(official)
    except AssertionError as stuck:  # too few frames pass that could be damaged: the client takes no more
        row.callbacks[str(stuck).splitlines()[0]] += 1
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not over(official, kind, before, heard, began_ns):
        time.sleep(0.1)
    all_there, modes_right = official.right()
    outages = official.truth("outages")[before:]
    ended = [outage for outage in outages if outage["to_ns"]]
    streams = len(ended) == len(outages)  # the exchange's side of a silent connection looks well
    row.restored.append(all_there and streams)
    row.modes.append(modes_right and streams)
    since = official.said[heard:]
    row.callbacks.update(event["what"] for event in since)
    if ended:
        began_ns = ended[0]["from_ns"]
        row.took_s.append((ended[0]["to_ns"] - began_ns) / 1e9)
    elif kind is reserved_opcode and all_there:
        row.took_s.append((max(event["ns"] for event in since) - began_ns) / 1e9)
    first = [event["ns"] for event in since if event["what"] != "raised"]
    row.told_s += [(min(first) - began_ns) / 1e9] if first else []
    time.sleep(SETTLED_S)


def over(official: Official, kind: Kind, before: int, heard: int, began_ns: int) -> bool:
    if kind is damaged and time.time_ns() < began_ns + DAMAGE_NS:
        return False  # it may take no notice, or hang up
    if kind is reserved_opcode:
        back = any(event["what"] == "on_connect" for event in official.said[heard:])
        return back and official.right()[0]
    ended = official.truth("outages")[before:]
    if kind is damaged:
        return official.right()[0]
    return bool(ended) and all(outage["to_ns"] for outage in ended)
