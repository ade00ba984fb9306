"""What the feed should stream, which connection carries it, and the messages that bring a socket there. Sans I/O.

One table says what each connection is to carry (token → mode), another what its socket has been told. Everything sent
is the difference of the two, so a reconnect is "the socket has been told nothing" and can be cut anywhere and begun
again. What differs is kept as it arises: ten thousand requests cost their changes, not ten thousand walks of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from kitecli.errors import SubscriptionError, TooManyInstruments
from kitecli.market.segments import SEGMENTS, segment_of
from kitecli.protocol import messages
from kitecli.protocol.layout import MODES

TOKENS_PER_MESSAGE: Final = 1_000
"""The broker states no limit; a thousand numbers keep a message below 12 kB."""
SUBSCRIBED_MODE: Final = "quote"
"""The mode after a subscription that says none."""
_LARGEST_TOKEN: Final = 0xFFFFFFFF
_LARGEST_SUSPECT: Final = 1 << 20
"""Exchange tokens are smaller; instrument tokens of a segment we don't know yet are larger but for its first 4,096."""


@dataclass(frozen=True, slots=True)
class Update:
    """What a socket has to be told. ``fresh``: instruments it hears of for the first time, with their modes; ``again``:
    those it streams already, in another mode than before; ``gone``: those it is to stream no longer."""

    texts: list[str]
    fresh: dict[int, str]
    again: dict[int, str] = field(default_factory=dict)
    gone: tuple[int, ...] = ()


@dataclass(slots=True)
class _Share:
    """One connection's part: what it is to carry, what its socket has been told, and the tokens where they may differ.

    Dictionaries for their order: what was asked first is asked first.
    """

    held: dict[int, str] = field(default_factory=dict)
    told: dict[int, str] = field(default_factory=dict)
    dirty: dict[int, None] = field(default_factory=dict)


class Subscriptions:
    """The desired state of all connections.

    ``connections`` and ``per_connection`` are the broker's limits. New instruments go to the connection that carries
    the fewest among those in use; as few are used as the number of instruments needs, or ``at_least``.
    """

    def __init__(self, connections: int, per_connection: int, at_least: int = 1) -> None:
        self._per_connection = per_connection
        self._shares = [_Share() for _ in range(connections)]
        self._carrier: dict[int, int] = {}
        self._at_least = min(max(1, at_least), connections)

    @property
    def limit(self) -> int:
        return len(self._shares) * self._per_connection

    @property
    def wanted(self) -> dict[int, str]:
        return {token: self._shares[connection].held[token] for token, connection in self._carrier.items()}

    def in_use(self) -> int:
        """How many connections the wanted instruments need."""
        carrying = max((index + 1 for index, share in enumerate(self._shares) if share.held), default=0)
        return max(self._at_least, carrying, -(-len(self._carrier) // self._per_connection))

    def load(self, connection: int) -> int:
        """How many instruments ``connection`` is to carry."""
        return len(self._shares[connection].held)

    def carried(self, connection: int) -> tuple[int, ...]:
        """The instruments ``connection`` is to carry."""
        return tuple(self._shares[connection].held)

    def told(self, connection: int) -> dict[int, str]:
        """What the socket of ``connection`` has been asked for, token → mode."""
        return dict(self._shares[connection].told)

    def want(self, modes: Mapping[int, str]) -> None:
        """Add instruments, or change the mode of those already wanted. All of them are taken, or none.

        Raises :class:`SubscriptionError` for a token that is no instrument token or a mode that is no mode, and
        :class:`TooManyInstruments` where the account's limit would be passed.
        """
        fresh = [token for token in modes if token not in self._carrier]
        if len(self._carrier) + len(fresh) > self.limit:
            why = f"the broker allows {len(self._shares)} connections of {self._per_connection:,} instruments each"
            raise too_many(len(self._carrier) + len(fresh), self.limit, why)
        check_wishes(modes)
        self._place(fresh)
        for token, mode in modes.items():
            share = self._shares[self._carrier[token]]
            share.held[token] = mode
            share.dirty[token] = None

    def drop(self, tokens: Iterable[int]) -> None:
        """Stop wanting instruments; those not wanted are passed over."""
        for token in tokens:
            connection = self._carrier.pop(token, None)
            if connection is not None:
                share = self._shares[connection]
                del share.held[token]
                share.dirty[token] = None

    def forget(self, connection: int) -> None:
        """The socket is new: it has been told nothing."""
        share = self._shares[connection]
        share.told.clear()
        share.dirty = dict.fromkeys(share.held)

    def update(self, connection: int) -> Update:
        """What brings the socket of ``connection`` to what is wanted; counts as told once returned."""
        share = self._shares[connection]
        dirty, share.dirty = share.dirty, {}
        gone = [token for token in dirty if token in share.told and token not in share.held]
        fresh = {token: share.held[token] for token in dirty if token in share.held and token not in share.told}
        changed = [token for token in dirty if token in share.held and share.told.get(token) != share.held[token]]
        texts = [messages.unsubscribe(part) for part in _parts(gone)]
        texts += [messages.subscribe(part) for part in _parts(list(fresh))]
        # A bare subscription is in quote mode already. Asking for it would bring a second cached packet, and that one
        # would pass for a trade: 300 of 300 instruments' did.
        moded = [token for token in changed if token not in fresh or share.held[token] != SUBSCRIBED_MODE]
        for mode in MODES:
            texts += [messages.set_mode(mode, part) for part in _parts([t for t in moded if share.held[t] == mode])]
        for token in gone:
            del share.told[token]
        share.told.update({token: share.held[token] for token in changed})
        again = {token: share.held[token] for token in changed if token not in fresh}
        return Update(texts, fresh, again, tuple(gone))

    def _place(self, fresh: list[int]) -> None:
        needed = -(-(len(self._carrier) + len(fresh)) // self._per_connection)
        loads = [self.load(connection) for connection in range(max(self.in_use(), needed))]
        for token in fresh:
            connection = loads.index(min(loads))
            loads[connection] += 1
            self._carrier[token] = connection
            self._shares[connection].held[token] = ""  # want() sets its mode


def too_many(total: int, limit: int, why: str) -> TooManyInstruments:
    """The error of who would stream ``total`` instruments where ``limit`` is the most."""
    return TooManyInstruments(
        f"{total:,} instruments are more than the {limit:,} one account may stream",
        why=why,
        hint="unsubscribe some first, or choose fewer",
    )


def check_wishes(modes: Mapping[int, str]) -> None:
    """Raise :class:`SubscriptionError` where the ticker would ignore a token, or knows no such mode.

    Nine thousand at once are looked at together; one by one only where something may be wrong.
    """
    types, known = set(map(type, modes)), set(modes.values()) <= set(MODES)
    if types <= {int} and known and max(modes, default=0) <= _LARGEST_TOKEN:
        modes = {token: modes[token] for token in modes if token < _LARGEST_SUSPECT}
    for token, mode in modes.items():
        check_wish(token, mode)


def check_wish(token: object, mode: object) -> None:
    """:func:`check_wishes` for one."""
    if not isinstance(token, int) or isinstance(token, bool) or not 0 < token <= _LARGEST_TOKEN:
        raise SubscriptionError(
            f"{token!r} is no instrument token",
            why="the ticker takes whole numbers only and ignores anything else without a word",
            hint="look the symbol up first; INFY on NSE is 408065",
        )
    if token < _LARGEST_SUSPECT and segment_of(token) not in SEGMENTS:
        raise SubscriptionError(
            f"{token} is no instrument token",
            why="its last byte names no segment; it looks like an exchange token, which the ticker ignores",
            hint=f"use the column instrument_token; on NSE that would be {token << 8 | 1}",
        )
    if mode not in MODES:
        raise SubscriptionError(f"{mode!r} is no mode", why=f"the ticker knows {', '.join(MODES)}", hint="use one")


def _parts(tokens: list[int]) -> Iterable[list[int]]:
    return (tokens[at : at + TOKENS_PER_MESSAGE] for at in range(0, len(tokens), TOKENS_PER_MESSAGE))
