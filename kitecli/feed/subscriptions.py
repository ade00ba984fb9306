"""What the feed should stream, which connection carries it, and the messages that bring a socket there. Sans I/O.

One table says what is wanted (token → mode), one per connection what its socket has been told. Everything sent is the
difference of the two, so a reconnect is "the socket has been told nothing" and can be cut anywhere and begun again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from kitecli.errors import SubscriptionError, TooManyInstruments
from kitecli.protocol import messages
from kitecli.protocol.layout import MODES

TOKENS_PER_MESSAGE: Final = 1_000
"""The broker states no limit; a thousand numbers keep a message below 12 kB."""
_LARGEST_TOKEN: Final = 0xFFFFFFFF


class Subscriptions:
    """The desired state of all connections.

    ``connections`` and ``per_connection`` are the broker's limits. New instruments go to the connection that carries
    the fewest among those in use; as few are used as the number of instruments needs, or ``at_least``.
    """

    def __init__(self, connections: int, per_connection: int, at_least: int = 1) -> None:
        self._connections = connections
        self._per_connection = per_connection
        self._wanted: dict[int, str] = {}
        self._carrier: dict[int, int] = {}
        self._load = [0] * connections
        self._told: list[dict[int, str]] = [{} for _ in range(connections)]
        self._at_least = min(max(1, at_least), connections)

    @property
    def limit(self) -> int:
        return self._connections * self._per_connection

    @property
    def wanted(self) -> dict[int, str]:
        return dict(self._wanted)

    def in_use(self) -> int:
        """How many connections the wanted instruments need."""
        carrying = max((index + 1 for index, load in enumerate(self._load) if load), default=0)
        return max(self._at_least, carrying, -(-len(self._wanted) // self._per_connection))

    def load(self, connection: int) -> int:
        """How many instruments ``connection`` is to carry."""
        return self._load[connection]

    def want(self, modes: Mapping[int, str]) -> None:
        """Add instruments, or change the mode of those already wanted. All of them are taken, or none.

        Raises :class:`SubscriptionError` for a token that is no token or a mode that is no mode, and
        :class:`TooManyInstruments` where the account's limit would be passed.
        """
        for token, mode in modes.items():
            _check(token, mode)
        total = len(self._wanted.keys() | modes.keys())
        if total > self.limit:
            raise self._too_many(total)
        self._wanted.update(modes)
        fresh = [token for token in modes if token not in self._carrier]
        open_to = self.in_use()
        for token in fresh:
            self._place(token, open_to)

    def drop(self, tokens: Iterable[int]) -> None:
        """Stop wanting instruments; those not wanted are passed over."""
        for token in tokens:
            if self._wanted.pop(token, None) is not None:
                self._load[self._carrier.pop(token)] -= 1

    def forget(self, connection: int) -> None:
        """The socket is new: it has been told nothing."""
        self._told[connection] = {}

    def messages(self, connection: int) -> list[str]:
        """The text messages that bring ``connection`` to what is wanted; counts as told once returned."""
        told = self._told[connection]
        wanted = {token: mode for token, mode in self._wanted.items() if self._carrier[token] == connection}
        gone = [token for token in told if token not in wanted]
        new = [token for token in wanted if token not in told]
        out = [messages.unsubscribe(part) for part in _parts(gone)]
        out += [messages.subscribe(part) for part in _parts(new)]
        for mode in MODES:
            changed = [token for token, want in wanted.items() if want == mode and told.get(token) != mode]
            out += [messages.set_mode(mode, part) for part in _parts(changed)]
        self._told[connection] = wanted
        return out

    def _place(self, token: int, open_to: int) -> None:
        connection = min(range(open_to), key=self._load.__getitem__)
        self._carrier[token] = connection
        self._load[connection] += 1

    def _too_many(self, total: int) -> TooManyInstruments:
        return TooManyInstruments(
            f"{total:,} instruments are more than the {self.limit:,} one account may stream",
            why=f"the broker allows {self._connections} connections of {self._per_connection:,} instruments each",
            hint="unsubscribe some first, or choose fewer",
        )


def _check(token: object, mode: object) -> None:
    if not isinstance(token, int) or isinstance(token, bool) or not 0 < token <= _LARGEST_TOKEN:
        raise SubscriptionError(
            f"{token!r} is no instrument token",
            why="the ticker takes whole numbers only and ignores anything else without a word",
            hint="look the symbol up first; INFY on NSE is 408065",
        )
    if mode not in MODES:
        raise SubscriptionError(f"{mode!r} is no mode", why=f"the ticker knows {', '.join(MODES)}", hint="use one")


def _parts(tokens: list[int]) -> Iterable[list[int]]:
    return (tokens[at : at + TOKENS_PER_MESSAGE] for at in range(0, len(tokens), TOKENS_PER_MESSAGE))
