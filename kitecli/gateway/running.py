"""The feeds that run on this machine, for whoever wants to look at one or to end it."""

from __future__ import annotations

import time
from typing import Final

from kitecli.errors import FeedError, GatewayGone, KiteError, NoFeed, UsageError
from kitecli.gateway.client import ControlClient
from kitecli.gateway.lock import FeedCard, FeedPlace, running
from kitecli.gateway.messages import Request, Status, Stop
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
    return _ask(card, Status(), "kite status")


def stop(card: FeedCard) -> None:
    """End a feed, for all its readers, and wait until it is gone. Raises :class:`FeedError` if it won't."""
    place = FeedPlace(runtime_dir(), card.name)
    try:
        _ask(card, Stop(), "kite stop")
    except GatewayGone:
        pass  # somebody else has ended it, and it is just going: its lock says when it has
    except KiteError as refusal:  # it hangs, or is of another kite and can't be asked; or it has failed just now
        if place.held():
            raise _unending(card, f"{refusal.what}: {refusal.why}") from None
    deadline_s = time.monotonic() + STOP_S
    while place.held():
        if time.monotonic() > deadline_s:
            raise _unending(card, f"it was asked to {STOP_S:.0f} s ago")
        time.sleep(_LOOK_S)


def _ask(card: FeedCard, request: Request, who: str) -> dict[str, object]:
    client = ControlClient.reach(card, client=who, observer=True)
    try:
        return client.ask(request)
    finally:
        client.close()


def _unending(card: FeedCard, why: str) -> FeedError:
    return FeedError(
        f"The feed {card.name} doesn't end",
        why=why,
        hint=f"look at process {card.pid}, or kill it: readers are told, and nothing else is lost",
    )
