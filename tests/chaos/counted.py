"""The numbers by which the exchange's load counts its packets up: one that is missing shows, whoever lost it.

A full packet behind its length, as docs/simulator.md has it: the token at 2, and at 18 a volume that grows by one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kitecli.store.recording import Frame, Recording

PACKET: Final = np.dtype({"names": ["token", "volume"], "formats": [">u4", ">u4"], "offsets": [2, 18], "itemsize": 186})
COUNTED: Final = np.dtype([("token", "i8"), ("volume", "i8"), ("at_ns", "i8")])
LEAP: Final = np.dtype([("token", "i8"), ("count", "i8"), ("from_ns", "i8"), ("to_ns", "i8")])
_FULL: Final = (184).to_bytes(2, "big")


def full_frames(day: Recording) -> list[Frame]:
    """Messages of full packets; others, and heartbeats, come between a subscription and its mode."""
    return [frame for frame in day.frames() if bytes(frame.payload[2:4]) == _FULL]


def counted(frames: list[Frame]) -> NDArray[np.void]:
    """COUNTED: each packet's number, and when its message came."""
    pieces = [np.zeros(0, COUNTED)]
    for frame in frames:
        packets = np.frombuffer(frame.payload, PACKET, offset=2)
        piece = np.zeros(packets.size, COUNTED)
        piece["token"], piece["volume"], piece["at_ns"] = packets["token"], packets["volume"], frame.ts_recv_ns
        pieces.append(piece)
    return np.concatenate(pieces)


def leaps(found: NDArray[np.void]) -> NDArray[np.void]:
    """LEAP: between which two packets of an instrument how many are missing. None is ever less than the one before; the
    same comes again where the exchange hurries, because it was kept waiting or its clock was set."""
    mine = found[np.argsort(found["token"], kind="stable")]
    steps = np.diff(mine["volume"])
    steps[np.diff(mine["token"]) != 0] = 0
    assert (steps >= 0).all()
    places = np.flatnonzero(steps > 1)
    told = np.zeros(places.size, LEAP)
    told["token"], told["count"] = mine["token"][places], steps[places] - 1
    told["from_ns"], told["to_ns"] = mine["at_ns"][places], mine["at_ns"][places + 1]
    return told
