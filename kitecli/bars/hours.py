"""A feed's timelines as one line of text, so that its process and its readers divide time alike.

The process that builds bars reads no calendar: whoever starts it does, and hands it the result; it hands the same to
its readers. Three years of all segments take 8 kB::

    {"each": ["<starts>", …], "kinds": ["<kinds>", …], "groups": [["NSE", "cas", 9], …]}

``starts``: int64, the first one and then the differences; ``kinds``: uint8; both little-endian, zlib, base64.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Final
from zlib import compress, decompress

import numpy as np
from numpy.typing import NDArray

from kitecli.bars.timeline import EMPTY, Timeline, Timelines

NO_HOURS: Final = Timelines((EMPTY,), {})
"""Everything trades at any hour, as in a simulated exchange."""


def to_text(timelines: Timelines) -> str:
    """Empty for :data:`NO_HOURS`."""
    if timelines is NO_HOURS:
        return ""
    return json.dumps(
        {
            "each": [_packed(np.diff(one.starts_ms, prepend=0).astype("<i8")) for one in timelines.each],
            "kinds": [_packed(one.kinds) for one in timelines.each],
            "groups": [[*key, place] for key, place in timelines.groups.items()],
        }
    )


def from_text(text: str) -> Timelines:
    """What :func:`to_text` wrote."""
    if not text:
        return NO_HOURS
    plain = json.loads(text)
    each = (
        Timeline(np.cumsum(np.frombuffer(_unpacked(starts), "<i8")), np.frombuffer(_unpacked(kinds), np.uint8))
        for starts, kinds in zip(plain["each"], plain["kinds"], strict=True)
    )
    return Timelines(tuple(each), {(segment, group): place for segment, group, place in plain["groups"]})


def _packed(column: NDArray[np.generic]) -> str:
    return b64encode(compress(column.tobytes())).decode()


def _unpacked(text: str) -> bytes:
    return decompress(b64decode(text))
