"""The replay that runs on this machine, as its readers find it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

from kitecli.errors import KiteError, NoFeed
from kitecli.gateway.lock import FeedCard
from kitecli.gateway.running import ask_status, feeds
from kitecli.market.book import InstrumentBook
from kitecli.replay.gateway import REPLAY_NAME
from kitecli.store.instruments import book_of, instruments_of, recorded_tokens
from kitecli.store.recording import Recording


@dataclass(frozen=True, slots=True)
class RunningReplay:
    """``day``: what is played, ``place``: its recording, a folder or a file; ``past_damage``: whether it goes on
    behind what can't be read."""

    card: FeedCard
    day: date
    place: Path
    past_damage: bool = False

    @classmethod
    def find(cls) -> Self:
        """Raises :class:`NoFeed` where none runs."""
        try:
            (card,) = feeds(REPLAY_NAME)
        except NoFeed:
            raise NoFeed(
                "No replay is running", why="there is nothing to join", hint="start one: kite replay DAY"
            ) from None
        progress = _progress(card)
        day, place = date.fromisoformat(str(progress["day"])), Path(str(progress["folder"]))
        return cls(card, day, place, progress["past_damage"] is True)

    def ended(self) -> bool:
        """Whether all was played; one that doesn't answer hasn't said so, and its socket tells of its death."""
        try:
            return _progress(self.card)["state"] == "ended"
        except KiteError:
            return False

    def book(self) -> InstrumentBook:
        """The instruments of its day; where the recording has no master, those that were recorded."""
        with Recording.open(self.place, past_damage=self.past_damage) as recording:
            return book_of(recording) or InstrumentBook(instruments_of(recording))

    def tokens(self) -> list[int]:
        """What was recorded."""
        with Recording.open(self.place, past_damage=self.past_damage) as recording:
            return sorted(recorded_tokens(recording))


def _progress(card: FeedCard) -> dict[str, object]:
    said = ask_status(card)["replay"]
    assert isinstance(said, dict)  # docs/replay.md has its fields
    return said
