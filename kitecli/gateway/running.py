"""The feeds that run on this machine, for whoever wants to look at one or to end it."""

from __future__ import annotations

import time
from typing import Final

from kitecli.errors import FeedError, NoFeed, UsageError
from kitecli.gateway.client import ControlClient
from kitecli.gateway.lock import FeedCard, FeedPlace, running
from kitecli.gateway.messages import Status, Stop
from kitecli.ring.location import runtime_dir

STOP_S: Final = 10.0
_LOOK_S: Final = 0.02


def feeds(wanted: str = "") -> list[FeedCard]:
    """The running feeds, oldest first; of those the ones whose name begins with ``wanted``, or whose label it is.

    Raises :class:`NoFeed` where none is left.
    """
    cards = running(runtime_dir())
    found = [card for card in cards if card.name.startswith(wanted) or card.label == wanted]
    if not found:
        names = ", ".join(card.name for card in cards)
        raise NoFeed(
            f"No feed {wanted} is running" if wanted else "No feed is running",
            why=f"running are {names}" if names else "nothing streams on this machine as this user",
            hint="kite status lists them" if names else "start one: kite feed --daemon, or without an account: --sim",
        )
    return found


def one_feed(wanted: str = "") -> FeedCard:
    """The one feed meant; raises :class:`NoFeed`, and :class:`UsageError` where several could be."""
    found = feeds(wanted)
    if len(found) > 1:
        names = ", ".join(f"{card.name} ({card.label})" if card.label else card.name for card in found)
        raise UsageError("Several feeds are running", why=names, hint="say which: kite stop NAME, or --all")
    return found[0]


def ask_status(card: FeedCard) -> dict[str, object]:
    """What the feed says of itself (docs/control-socket.md); raises :class:`GatewayGone` where it has just ended."""
    client = ControlClient.reach(card, client="kite status", observer=True)
    try:
        return client.ask(Status())
    finally:
        client.close()


def stop(card: FeedCard) -> None:
    """End a feed, for all its readers, and wait until it is gone. Raises :class:`FeedError` if it won't."""
    client = ControlClient.reach(card, client="kite stop", observer=True)
    try:
        client.ask(Stop())
    finally:
        client.close()
    place = FeedPlace(runtime_dir(), card.name)
    deadline_s = time.monotonic() + STOP_S
    while place.held():
        if time.monotonic() > deadline_s:
            raise FeedError(
                f"The feed {card.name} doesn't end",
                why=f"it was asked to {STOP_S:.0f} s ago",
                hint=f"look at process {card.pid}, or kill it: readers are told, and nothing else is lost",
            )
        time.sleep(_LOOK_S)
