"""What the simulated exchange put on the wire, counted: the other side of every claim that nothing was lost.

A packet is counted when it is handed to a socket, so what a client didn't read counts too. Snapshots, which answer a
subscription, are counted apart from live ticks. What a slow client was spared is ``withheld``: it was never produced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from kitecli.sim.source import Slots


@dataclass(slots=True)
class ConnectionCount:
    """One connection's line. ``id`` counts from 1 in the order of opening."""

    id: int
    live: int = 0
    snapshots: int = 0
    withheld: int = 0
    frames: int = 0
    heartbeats: int = 0
    open: bool = True


class Ledger:
    """Counts for the instruments of ``tokens``, for every connection there has been, and faults done by kind."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = tokens
        self._live = np.zeros(len(tokens), np.int64)
        self._snapshots = np.zeros(len(tokens), np.int64)
        self.connections: list[ConnectionCount] = []
        self.faults: Counter[str] = Counter()

    def open_connection(self) -> ConnectionCount:
        count = ConnectionCount(len(self.connections) + 1)
        self.connections.append(count)
        return count

    def count_live(self, connection: ConnectionCount, slots: Slots, frames: int) -> None:
        """One packet for each of ``slots``, which may repeat."""
        np.add.at(self._live, slots, 1)
        connection.live += slots.size
        connection.frames += frames

    def count_snapshots(self, connection: ConnectionCount, slots: Slots, frames: int) -> None:
        np.add.at(self._snapshots, slots, 1)
        connection.snapshots += slots.size
        connection.frames += frames

    def totals(self) -> dict[str, int]:
        return {
            name: sum(getattr(connection, name) for connection in self.connections)
            for name in ("live", "snapshots", "withheld", "frames", "heartbeats")
        }

    def as_dict(self) -> dict[str, object]:
        """``tokens``: {token: [live, snapshots]} of those that were sent; tokens as strings, as JSON has keys."""
        sent: NDArray[np.intp] = np.flatnonzero(self._live + self._snapshots)
        tokens = {
            str(self._tokens[slot]): [int(self._live[slot]), int(self._snapshots[slot])] for slot in sent.tolist()
        }
        connections = [asdict(connection) for connection in self.connections]
        return {
            "totals": self.totals(),
            "connections": connections,
            "tokens": tokens,
            "faults": dict(self.faults),
        }
