"""What to do after a failure: try again and when, wait for a token, or stop. Sans I/O: clock and dice are arguments.

==================================  ==================================================================================
an established connection ended     again within 0.7 s: most cuts hit one socket, and the server is there
refused, unreachable, hung up       the account's backoff: up to 1.2 and 2 s, then 1 to 2.25 s; after an hour of it
at once, open but mute              5 to 10 s
429 on the upgrade                  5 to 6 s, doubling to 60 to 72 s
403 on the upgrade                  wait for another token; one that has worked is tried once more, after 5 s
400 on the upgrade, bad             once a minute or two: our request is wrong, or somebody may be listening
certificate
all but 403 and 429 while nothing   stop after the third failure: most likely the address or the network is wrong.
ever got through                    What can't get better by itself stops at once
==================================  ==================================================================================

**One pace for an account.** Connections that are down together take turns: whoever comes first when the account's wait
is over tries, and the others see the wait begin anew. So the broker meets one client, not three, the more so as an
outage lasts, and two attempts are never less than ``SPACING_S`` apart. When one gets through, the next goes at once.

**Why the waits stay short.** Recovering within 3 s of the server's return means that no wait is longer than 2.25 s
(+ 0.5 s for the second and third connection). Drawn from 1 to 2.25 s that is about 1,000 attempts in 30 minutes for an
account with three connections, one every 1.8 s, each a handful of packets while the server is down. What loads a server
that comes back is less the rate than the common beat of many clients; that is what the full draw is for. An outage of
more than an hour is no restart: one attempt every 8 s or so. Figures and alternatives: docs/adr/0003.

**429** means that three sockets of the account are open, by the broker's count. One of them may be our own: cut without
the broker having noticed, or given up in a handshake that a frozen server finishes when it runs again. So the first
wait is short; if that isn't it, waiting longer is all that is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kitecli.errors import (
    CertificateRefused,
    HandshakeBadRequest,
    HandshakeForbidden,
    HandshakeRateLimited,
    KiteError,
)
from kitecli.secret import Secret

GIVE_UP: Final = 3
"""Failures after which a feed that never got through is most likely misconfigured. One that has, never gives up."""
SPACING_S: Final = (0.1, 0.15)
FIRST_RETRY_S: Final = (0.0, 0.7)
BACKOFF_S: Final = ((0.0, 1.2), (0.3, 2.0), (1.0, 2.25))
"""By the failures so far, the last for all further ones. A floor from the second on: the server is down, not shaken."""
LONG_OUTAGE_S: Final = 3600.0
LONG_BACKOFF_S: Final = (5.0, 10.0)
RATE_LIMITED_S: Final = (5.0, 6.0)
RATE_LIMITED_DOUBLINGS: Final = 4  # 5 s … 80 s, cut at
RATE_LIMITED_MOST: Final = 12.0  # times RATE_LIMITED_S: 60 to 72 s
SECOND_CHANCE_S: Final = (5.0, 6.0)
HOPELESS_S: Final = (60.0, 120.0)
STEADY_S: Final = 1.0
"""A connection that spoke and lived this long was one; a server may accept, then hang up at once."""
MOST_PATIENCE: Final = 4
TRIES_PER_TOKEN: Final = 2


def hopeless(failure: KiteError) -> bool:
    """Whether trying again soon can't help."""
    return isinstance(failure, (HandshakeBadRequest, CertificateRefused))


class Account:
    """What the connections of one account share: their pace, the refused tokens, and whether any ever got through.

    ``draw`` returns a number from 0 to 1. ``give_up`` None: never stop, however it began.
    """

    def __init__(self, draw: Callable[[], float], give_up: int | None = GIVE_UP) -> None:
        self.reached = False
        self.failures = 0
        self._draw = draw
        self._give_up = give_up
        self._spaced_s = self._next_s = float("-inf")
        self._down_since_s = 0.0
        self._trying: dict[Secret, int] = {}
        self._refused: dict[Secret, tuple[int, HandshakeForbidden]] = {}
        self._accepted: Secret | None = None

    def between(self, least_and_most_s: tuple[float, float]) -> float:
        least_s, most_s = least_and_most_s
        return least_s + self._draw() * (most_s - least_s)

    def wait_s(self, now_s: float, *, at_once: bool) -> float:
        """Seconds until the next attempt may begin. ``at_once``: the first after an established connection."""
        return max(0.0, (self._spaced_s if at_once else max(self._spaced_s, self._next_s)) - now_s)

    def begin(self, url: Secret, now_s: float) -> bool:
        """Begin an attempt; to be followed by :meth:`finish`. False: not now, others are trying this token.

        Raises the refusal of a token that has been tried often enough.
        """
        times, refusal = self._refused.get(url, (0, None))
        if refusal is not None and times >= TRIES_PER_TOKEN:
            raise refusal
        if times + self._trying.get(url, 0) >= TRIES_PER_TOKEN:
            return False
        self._trying[url] = self._trying.get(url, 0) + 1
        self._spaced_s = now_s + self.between(SPACING_S)
        self._next_s = now_s + self._backoff_s(now_s)
        return True

    def finish(self, url: Secret) -> None:
        """The attempt is over, whichever way."""
        self._trying[url] -= 1
        if not self._trying[url]:
            del self._trying[url]

    def opened(self, url: Secret) -> None:
        """The handshake went through: whoever waits may go next."""
        self.reached = True
        self._accepted = url
        self._refused.pop(url, None)
        self._next_s = self._spaced_s

    def steady(self) -> None:
        """A connection works: the next failure is the first of its outage."""
        self.failures = 0

    def failed(self, now_s: float) -> bool:
        """Count a failure of network or server; whether it is time to give up."""
        if not self.failures:
            self._down_since_s = now_s
        self._next_s = max(self._next_s, now_s + self._backoff_s(now_s))
        self.failures += 1
        return not self.reached and self._give_up is not None and self.failures >= self._give_up

    def refused(self, url: Secret, refusal: HandshakeForbidden) -> None:
        """Note a 403."""
        times, _ = self._refused.get(url, (0, None))
        self._refused[url] = times + 1, refusal

    def second_chance_s(self, url: Secret) -> float | None:
        """Seconds until a refused token may be tried again, because it has worked before; None: it may not."""
        times, _ = self._refused.get(url, (0, None))
        return self.between(SECOND_CHANCE_S) if times == 1 and url == self._accepted else None

    def _backoff_s(self, now_s: float) -> float:
        if self.failures and now_s - self._down_since_s > LONG_OUTAGE_S:
            return self.between(LONG_BACKOFF_S)
        return self.between(BACKOFF_S[min(self.failures, len(BACKOFF_S) - 1)])


class ReconnectPolicy:
    """One connection's memory of what happened to it, beside what it shares with the others of its account."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.at_once = False
        self._rate_limited = 0
        self._mute = 0
        self._opened_s: float | None = None
        self._steady = False

    @property
    def patience(self) -> int:
        """Times the usual limit a new socket may take to speak: a slow line must get a first, large message through."""
        return min(1 << self._mute, MOST_PATIENCE)

    def opened(self, url: Secret, now_s: float) -> None:
        self.account.opened(url)
        self.at_once = self._steady = False
        self._opened_s = now_s
        self._rate_limited = 0

    def spoken(self, now_s: float) -> None:
        """The connection has received messages, and is up still."""
        self._mute = 0
        if not self._steady and self._opened_s is not None and now_s - self._opened_s >= STEADY_S:
            self._steady = True
            self.account.steady()

    def ended(self, now_s: float, *, spoke: bool) -> float:
        """The connection is over: seconds until the next attempt, beside the account's own pace."""
        if spoke:
            self.spoken(now_s)
        else:
            self._mute += 1
        self.at_once = self._steady
        if self._steady:
            return self.account.between(FIRST_RETRY_S)
        self.account.failed(now_s)
        return 0.0

    def failed(self, failure: KiteError, now_s: float) -> float | None:
        """An attempt failed: seconds until the next, beside the account's own pace; None: stop."""
        self.at_once = False
        if isinstance(failure, HandshakeRateLimited):
            return self._rate_limited_s()
        if hopeless(failure):
            return self.account.between(HOPELESS_S) if self.account.reached else None
        return None if self.account.failed(now_s) else 0.0

    def _rate_limited_s(self) -> float:
        times = min(float(1 << min(self._rate_limited, RATE_LIMITED_DOUBLINGS)), RATE_LIMITED_MOST)
        self._rate_limited += 1
        return times * self.account.between(RATE_LIMITED_S)
