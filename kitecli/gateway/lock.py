"""Which feed runs here: one holder of a name, and where the others find it.

In the runtime folder (0700), all of them 0600::

    feed-<name>.lock      held by the gateway for its life: who holds it is the feed of that name
    feed-<name>.json      the card: where the gateway listens; written whole, once it does
    feed-<name>.sock      its control socket
    feed-<name>.ring      the ticks; beside it .seats and the readers' pipes
    feed-<name>.bars      the bars, where it builds any
    feed-<name>.metrics   figures of the feed; beside it .metrics.07 and so on, those of its readers

Whether a gateway lives is asked of its lock only. A process id says nothing: they are given out again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from kitecli.errors import EnvironmentProblem
from kitecli.ring.location import files_in
from kitecli.ring.locks import LockFile
from kitecli.secret import Secret

TAKE_S: Final = 0.3
"""How long a gateway insists on its lock: somebody may just be asking whether it is held, or sweeping."""
FALLBACK_PREFIX: Final = "kite-"
"""Of the temporary folder a socket stands in whose path would be too long."""


_KINDS: Final = ("json", "sock", "ring", "bars", "seats", "metrics")
"""What a feed's files are called, its lock apart; more may follow, as in ``seats.07`` and ``json.new``."""


@dataclass(frozen=True, slots=True)
class FeedPlace:
    """The files of the feed ``name``."""

    folder: Path
    name: str

    @property
    def lock(self) -> Path:
        return self._file("lock")

    @property
    def card(self) -> Path:
        return self._file("json")

    @property
    def socket(self) -> Path:
        return self._file("sock")

    @property
    def ring(self) -> Path:
        return self._file("ring")

    @property
    def bars(self) -> Path:
        return self._file("bars")

    def held(self) -> bool:
        """Whether a gateway of this name lives. Nothing keeps it from ending, or another from starting, right after."""
        with files_in(self.folder):
            return LockFile.is_held(self.lock)

    def _file(self, kind: str) -> Path:
        return self.folder / f"feed-{self.name}.{kind}"


@dataclass(frozen=True, slots=True)
class FeedCard:
    """What a joiner needs to know. The gateway listens at ``socket``, or on loopback at ``port``, asking ``token``."""

    version: int
    name: str
    pid: int
    ring: str
    created_ns: int
    label: str
    socket: str | None = None
    port: int | None = None
    token: Secret | None = None

    def write(self, path: Path) -> None:
        """Atomically: nobody reads half a card. Raises :class:`EnvironmentProblem`."""
        plain = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        plain["token"] = self.token.reveal() if self.token else None
        draft = path.with_name(f"{path.name}.new")
        try:
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(plain, file)
            draft.replace(path)
        except OSError as cause:
            raise EnvironmentProblem(
                f"The feed's card can't be written to {path}",
                why=str(cause.strerror),
                hint="make room there, or set KITE_RUNTIME_DIR to a folder of your own",
            ) from cause

    @classmethod
    def read(cls, path: Path) -> FeedCard | None:
        """The card at ``path``; None where there is none that can be read. Fields a later kite adds are passed over."""
        try:
            plain = json.loads(path.read_text())
            known = {entry.name: plain[entry.name] for entry in fields(cls) if entry.name in plain}
            token = known.pop("token")
            return cls(**known, token=Secret(token) if token else None)
        except (OSError, ValueError, TypeError, KeyError):
            return None


def take(place: FeedPlace) -> LockFile | None:
    """The right to be the feed of that name, or None where another is. Raises :class:`EnvironmentProblem`."""
    deadline = time.monotonic() + TAKE_S
    with files_in(place.folder):
        while (held := LockFile.take(place.lock)) is None and time.monotonic() < deadline:
            time.sleep(0.01)
    return held


def running(folder: Path) -> list[FeedCard]:
    """The cards of the gateways that live, by age."""
    cards = [card for place in _places(folder) if place.held() and (card := FeedCard.read(place.card)) is not None]
    return sorted(cards, key=lambda card: card.created_ns)


def sweep(folder: Path) -> None:
    """Remove what dead gateways left, with the readers' pipes beside their rings."""
    for place in _places(folder):
        held = LockFile.take(place.lock)
        if held is not None:
            remove(place)
            held.release()


def remove(place: FeedPlace) -> None:
    """Remove all files of a feed but its lock. Only who holds that may do it."""
    card = FeedCard.read(place.card)
    if card is not None and card.socket is not None:
        remove_socket(Path(card.socket), place)
    for path in place.folder.glob(f"feed-{place.name}.*"):
        if path.name.split(".")[1] in _KINDS:
            with suppress(PermissionError):  # Windows keeps a file that a reader has mapped; the next sweep gets it
                path.unlink(missing_ok=True)


def remove_socket(socket: Path, place: FeedPlace) -> None:
    """Remove the control socket, and its folder where that was made for it."""
    with suppress(OSError):  # it is gone, or not ours to remove
        socket.unlink(missing_ok=True)
        if socket.parent != place.folder and socket.parent.name.startswith(FALLBACK_PREFIX):
            socket.parent.rmdir()


def _places(folder: Path) -> Iterator[FeedPlace]:
    """Where feeds are or were. A file of another kind makes none: it may be what somebody has kept of a feed."""
    names = {path.stem.removeprefix("feed-") for kind in ("lock", "ring") for path in folder.glob(f"feed-*.{kind}")}
    return (FeedPlace(folder, name) for name in sorted(names) if name)
