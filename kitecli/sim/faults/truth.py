"""What the proxy did, written down with wall-clock times, sans I/O: what a client's own record is compared with.

Two kinds of lines. A :class:`Deed` is one fault as it was done. An :class:`Outage` is what a client can have noticed of
one or several deeds:

- ``from_ns``: the instant of the cut, the silence or the freeze; the last byte had gone at ``last_byte_ns``.
- ``to_ns``: the first binary message with data was handed to the client's socket after everything that was lost had
  been asked for again, by one connection opened later (or by the same one, where it lived on).

A connection that is cut while it still restores an outage adds its deed to that outage and begins none of its own.
Where a client asks for less or for other modes than it lost, waiting for the rest would never end: the outage is over
when that connection has asked for nothing more for a second, as of its first data after its last request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from kitecli.sim.faults.kinds import Where

SETTLED_NS: Final = 1_000_000_000

Line = dict[str, object]


@dataclass(slots=True)
class Deed:
    """One fault, done to one connection or to an entrance (``connection`` is None then).

    ``hits``: connections, handshakes or frames it met. ``token_bytes``: of access tokens that were received while it
    lasted, in the clear or after a TLS handshake; 0 means that nobody told the server a token.
    """

    id: int
    kind: str
    detail: str
    where: Where
    connection: int | None
    seat: int | None
    from_ns: int
    to_ns: int | None = None
    hits: int = 0
    token_bytes: int = 0

    def line(self) -> Line:
        return {"record": "fault"} | {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Outage:
    """``lost``: {token: mode} at its beginning. ``restored_by``: the connection on which it ended."""

    id: int
    deeds: list[Deed]
    connection: int
    seat: int | None
    lost: Mapping[int, str]
    last_byte_ns: int
    from_ns: int
    to_ns: int | None = None
    restored_by: int | None = None
    data_ns: dict[int, int | None] = field(default_factory=dict)
    """By connection that may be the replacement: its first data after its last request."""

    def line(self) -> Line:
        return {
            "record": "outage",
            "id": self.id,
            "faults": [deed.id for deed in self.deeds],
            "kind": self.deeds[0].kind,
            "connection": self.connection,
            "seat": self.seat,
            "instruments": len(self.lost),
            "lowest_token": min(self.lost, default=None),
            "last_byte_ns": self.last_byte_ns,
            "from_ns": self.from_ns,
            "to_ns": self.to_ns,
            "restored_by": self.restored_by,
        }


class Truth:
    """``write`` gets each line once, when it is complete. ``counts``: deeds by kind."""

    def __init__(self, counts: Counter[str], write: Callable[[Line], None]) -> None:
        self.counts = counts
        self.deeds: list[Deed] = []
        self.outages: list[Outage] = []
        self._open: list[Outage] = []
        self._unwritten: dict[int, Deed] = {}
        self._write = write

    def begin(
        self, kind: str, detail: str, where: Where, now_ns: int, connection: int | None = None, seat: int | None = None
    ) -> Deed:
        deed = Deed(len(self.deeds) + 1, kind, detail, where, connection, seat, now_ns)
        self.deeds.append(deed)
        self._unwritten[deed.id] = deed
        self.counts[kind] += 1
        return deed

    def end(self, deed: Deed, now_ns: int) -> None:
        """It is over; the second time it is told, nothing happens."""
        if self._unwritten.pop(deed.id, None):
            deed.to_ns = now_ns
            self._write(deed.line())

    def lose(
        self,
        deed: Deed,
        modes: Mapping[int, str],
        last_byte_ns: int,
        *,
        connection: int,
        seat: int | None,
        lives_on: bool = False,
    ) -> Outage | None:
        """``connection``, which carried ``modes``, is cut or silent; None where it carried nothing.

        ``lives_on``: it may be heard of again, and its own data may end the outage.
        """
        if not modes:
            return None
        outage = next((one for one in self._open if modes.keys() <= one.lost.keys()), None)
        if outage is None:
            outage = Outage(len(self.outages) + 1, [], connection, seat, dict(modes), last_byte_ns, deed.from_ns)
            self.outages.append(outage)
            self._open.append(outage)
        outage.deeds.append(deed)
        if lives_on and outage.lost.items() <= modes.items():
            outage.data_ns[connection] = None
        else:
            outage.data_ns.pop(connection, None)
        return outage

    def asked(self, connection: int, modes: Mapping[int, str]) -> bool:
        """``connection`` asked for something and is subscribed to ``modes`` now. True: report its data."""
        waits = False
        for outage in self._open:
            if connection >= outage.connection and not outage.lost.keys().isdisjoint(modes):
                outage.data_ns[connection] = None
                waits = True
        return waits

    def data(self, connection: int, modes: Mapping[int, str], now_ns: int) -> bool:
        """Data went to the client of ``connection``. True: report more of it."""
        waits = False
        for outage in [one for one in self._open if connection in one.data_ns]:
            first_ns = outage.data_ns[connection]
            if outage.lost.items() <= modes.items():
                self._close(outage, connection, now_ns)
            elif first_ns is None:
                outage.data_ns[connection] = now_ns
                waits = True
            elif now_ns - first_ns >= SETTLED_NS:
                self._close(outage, connection, first_ns)
            else:
                waits = True
        return waits

    def left(self, connection: int) -> None:
        """``connection`` is closed: no more will come of it."""
        for outage in self._open:
            outage.data_ns.pop(connection, None)

    def close(self) -> None:
        """Write what is still under way."""
        for outage in self._open:
            self._write(outage.line())
        for deed in self._unwritten.values():
            self._write(deed.line())
        self._open, self._unwritten = [], {}

    def as_dict(self) -> dict[str, object]:
        return {
            "counts": dict(self.counts),
            "faults": [deed.line() for deed in self.deeds],
            "outages": [outage.line() for outage in self.outages],
        }

    def _close(self, outage: Outage, connection: int, now_ns: int) -> None:
        outage.to_ns, outage.restored_by = now_ns, connection
        outage.data_ns.clear()
        self._open.remove(outage)
        self._write(outage.line())
        for deed in outage.deeds:
            if deed.connection is not None:  # an entrance's has an end of its own
                self.end(deed, now_ns)
