"""What is timed on a tick's way, in its order. Another stage is one more entry here, and whoever records it.

Figures of different stages don't add up to one tick's way: ``stamp`` and ``round_trip`` look at the network from two
sides, ``loop`` at what a message may have waited for before anybody could stamp it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Stage:
    """``what`` it is the time of, in words for people; ``each``: what is counted; ``by``: whose slot it stands in."""

    name: str
    by: Literal["feed", "reader"]
    each: str
    what: str


STAMP: Final = Stage("stamp", "reader", "tick", "the exchange's stamp, a whole second, to received")
ROUND_TRIP: Final = Stage("round_trip", "feed", "ping", "a ping on the feed's socket and its answer")
LOOP: Final = Stage("loop", "feed", "look", "how late the feed's loop was: so long a message may have waited unread")
PUBLISH: Final = Stage("publish", "feed", "message", "received to published, readers woken; of one message in eight")
READ: Final = Stage("read", "reader", "tick", "received to in a reader's hands")
CALLBACK: Final = Stage("callback", "reader", "call", "the user's functions, of one tick or one batch")

STAGES: Final = (STAMP, ROUND_TRIP, LOOP, PUBLISH, READ, CALLBACK)
