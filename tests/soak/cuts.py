"""The faults of the soaks: each does one thing to a client of the simulated exchange, and returns how many of its
connections go down.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Protocol

from kitecli.sim.faults.kinds import DAMAGES, STAGES
from kitecli.sim.launcher import SimProcess
from tests.soak.cutting import until

FRAMES = 2


class Client(Protocol):
    """``seats``: how many connections it has."""

    sim: SimProcess
    dice: random.Random
    seats: int

    def change_modes(self) -> None: ...
    def truth(self, of: str) -> list[dict]: ...


def one(rig: Client) -> list[int]:
    return [rig.dice.randrange(rig.seats)]


def rst(rig: Client) -> int:
    return len(rig.sim.fault("rst", connections=one(rig)))


def fin(rig: Client) -> int:
    return len(rig.sim.fault("fin", connections=one(rig)))


def rst_of_all(rig: Client) -> int:
    return len(rig.sim.fault("rst"))


def refused(rig: Client) -> int:
    rig.sim.fault("refuse", for_s=round(rig.dice.uniform(0.5, 2.5), 2))
    rig.change_modes()
    return rig.seats


def half_open(rig: Client) -> int:
    count = len(rig.sim.fault("half_open", connections=one(rig)))
    rig.change_modes()
    return count


def silence(rig: Client) -> int:
    count = len(rig.sim.fault("silence", connections=one(rig)))
    rig.change_modes()
    return count


def slow(rig: Client) -> int:
    """The line is slow when it is cut, and when its replacement restores everything."""
    seat = one(rig)
    how = rig.dice.choice([{"delay": "30ms"}, {"delay": "150ms"}, {"bytes_per_s": 2_000_000}])
    rig.sim.fault("slow", for_s=2.5, connections=seat, **how)
    time.sleep(0.3)
    return len(rig.sim.fault("rst", connections=seat))


def in_handshake(rig: Client) -> int:
    rig.sim.fault("cut_handshake", stage=rig.dice.choice(STAGES), count=rig.dice.choice([1, 1, 2]))
    return rst(rig)


def in_restoration(rig: Client) -> int:
    """Behind one of the first six texts of a restoration, and perhaps behind one of the next as well."""
    for _ in range(rig.dice.choice([1, 1, 2])):
        rig.sim.fault(rig.dice.choice(["rst", "fin"]), on_message=rig.dice.randint(1, 6))
    return rst(rig)


def damaged(rig: Client) -> int:
    form = rig.dice.choice(DAMAGES[:-1])
    before = len(rig.truth("outages"))
    [deed] = rig.sim.fault("malformed", form=form, frames=FRAMES, connections=one(rig))
    # The official client may hang up at the first of them, and meets no other.
    until(
        lambda: rig.truth("faults")[deed["id"] - 1]["hits"] == FRAMES or len(rig.truth("outages")) > before,
        "damage done",
    )
    return 0


def reserved_opcode(rig: Client) -> int:
    """The client hangs up, as it must. The proxy did no cut, so its truth has no outage: the gateway's stands alone."""
    rig.sim.fault("malformed", form="opcode", connections=one(rig))
    return 1


Kind = Callable[[Client], int]
KINDS: dict[Kind, float] = {
    rst: 0.24,
    fin: 0.24,
    rst_of_all: 0.06,
    refused: 0.08,
    half_open: 0.03,
    silence: 0.03,
    slow: 0.06,
    in_handshake: 0.08,
    in_restoration: 0.12,
    damaged: 0.03,
    reserved_opcode: 0.03,
}
"""With its share of the cuts."""
