"""One client's ticker connection, sans I/O: texts and batches in, frames out. The rules are those of the fact sheet.

Where the broker's behaviour isn't documented, this is what is done and why:

- A request that would cross 3,000 instruments is refused whole, with the documented text; the connection stays.
- Unknown tokens count towards the 3,000 and stay silent.
- A snapshot answers ``mode`` as well as ``subscribe``: clients that ask for full after the close do get depth.
- A client that asks for more than the source has gets the most it has: a table without depth sends quotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from kitecli.protocol.encoder import encode_frames
from kitecli.protocol.layout import MODE_CODES, MODE_NAMES
from kitecli.protocol.messages import ClientRequest, error_text, parse_client_text
from kitecli.sim.ledger import ConnectionCount, Ledger
from kitecli.sim.source import Batch, Slots, Source, take_depth, take_ticks

MAX_INSTRUMENTS: Final = 3000
HEARTBEAT: Final = b"\x00"
HEARTBEAT_NS: Final = 1_000_000_000
DEFAULT_MODE: Final = MODE_CODES["quote"]
TOO_MANY: Final = f"Can't subscribe to more than {MAX_INSTRUMENTS} instruments."

Outgoing = list[bytes | str]


class TickerSession:
    """``slot_of``: the source's instruments by token. Counts into ``ledger`` what it returns to be sent.

    ``stamps``: whether messages get the sender's clock when they are written.
    """

    stamps = False

    def __init__(
        self, source: Source, slot_of: Mapping[int, int], ledger: Ledger, packets_per_frame: int, now_ns: int
    ) -> None:
        self.count: ConnectionCount = ledger.open_connection()
        self._source = source
        self._slot_of = slot_of
        self._ledger = ledger
        self._packets_per_frame = packets_per_frame
        self._wanted: set[int] = set()
        self._modes = np.zeros(len(slot_of), np.uint8)  # by slot, 0 for none
        self._sent_ns = now_ns

    @property
    def has_subscriptions(self) -> bool:
        return bool(self._modes.any())

    @property
    def modes(self) -> dict[int, str]:
        """What it is subscribed to, of the instruments there are."""
        return {token: MODE_NAMES[code] for token, slot in self._slot_of.items() if (code := int(self._modes[slot]))}

    def receive_text(self, text: str | bytes, now_ns: int) -> Outgoing:
        """What a client's text frame is answered with. Anything that is no request is ignored."""
        request = parse_client_text(text)
        if request is None:
            return []
        if request.action == "unsubscribe":
            self._forget(request)
            return []
        answer = self._subscribe(request)
        if answer:
            self._sent_ns = now_ns
        return answer

    def route(self, batch: Batch, now_ns: int, *, congested: bool = False) -> list[bytes]:
        """The frames of a batch for this client. ``congested``: count what it would have had, and make none of it."""
        modes = self._modes[batch.slots]
        chosen = np.flatnonzero(modes)
        if not chosen.size:
            return []
        if congested:
            self.count.withheld += chosen.size
            return []
        frames = self._frames(batch, chosen)
        self._ledger.count_live(self.count, batch.slots[chosen], len(frames))
        self._sent_ns = now_ns
        return frames

    def heartbeat(self, now_ns: int) -> bytes | None:
        """One byte when nothing was sent for a second."""
        if now_ns - self._sent_ns < HEARTBEAT_NS:
            return None
        self._sent_ns = now_ns
        self.count.heartbeats += 1
        return HEARTBEAT

    def close(self) -> None:
        self.count.open = False
        self._modes[:] = 0

    def _subscribe(self, request: ClientRequest) -> Outgoing:
        wanted = self._wanted.union(request.tokens)
        if len(wanted) > MAX_INSTRUMENTS:
            return [error_text(TOO_MANY)]
        self._wanted = wanted
        slots = self._slots(request)
        # A bare subscribe takes a token back to quote, whatever its mode was.
        self._modes[slots] = MODE_CODES[request.mode] if request.mode else DEFAULT_MODE
        return [*self._snapshot(slots)]

    def _forget(self, request: ClientRequest) -> None:
        self._wanted.difference_update(request.tokens)
        self._modes[self._slots(request)] = 0

    def _slots(self, request: ClientRequest) -> Slots:
        known = (self._slot_of.get(token) for token in dict.fromkeys(request.tokens))
        return np.array([slot for slot in known if slot is not None], np.intp)

    def _snapshot(self, slots: Slots) -> list[bytes]:
        batch = self._source.cached(slots)
        if not batch.slots.size:
            return []
        frames = self._frames(batch, np.arange(batch.slots.size))
        self._ledger.count_snapshots(self.count, batch.slots, len(frames))
        return frames

    def _frames(self, batch: Batch, chosen: Slots) -> list[bytes]:
        ticks = take_ticks(batch.ticks, chosen)
        ticks["mode"] = np.minimum(self._modes[batch.slots[chosen]], ticks["mode"])
        depth = None if batch.depth is None else take_depth(batch.depth, chosen)
        return encode_frames(ticks, depth, self._packets_per_frame)
