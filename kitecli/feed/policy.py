"""What to do after a failure: stop, or try again and when. Sans I/O: the dice are an argument.

========================  ============================================================================
403 on the upgrade        stop: the token is dead or the app lacks market data; trying again can't help
400 on the upgrade        stop: our request is wrong
bad certificate           stop: somebody may be listening
429 on the upgrade        wait a minute or more: three other sockets of this api_key are open
third failure, and none   stop: most likely the address or the network is wrong
ever got through
anything else             full-jitter backoff, 1 s doubling to 60 s
========================  ============================================================================

Full jitter (a uniform draw from zero to the ceiling) keeps three connections, and a thousand users, out of step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from kitecli.errors import CertificateRefused, HandshakeBadRequest, HandshakeForbidden, HandshakeRateLimited, KiteError

FIRST_CEILING_S: Final = 1.0
LAST_CEILING_S: Final = 60.0
RATE_LIMITED_WAIT_S: Final = 60.0
STEADY_S: Final = 5.0
ATTEMPTS_BEFORE_FIRST_SUCCESS: Final = 3
"""A feed that has never connected is most likely misconfigured: say so soon. One that has, never gives up."""

_FATAL: Final = (HandshakeForbidden, HandshakeBadRequest, CertificateRefused)


@dataclass(slots=True)
class Reached:
    """Whether any connection of this account has ever got through; shared by all of them."""

    ever: bool = False


@dataclass(slots=True)
class ReconnectPolicy:
    """One connection's memory of its failures. ``draw`` returns a number from 0 to 1."""

    draw: Callable[[], float]
    reached: Reached = field(default_factory=Reached)
    failures: int = 0

    def connected(self) -> None:
        """The handshake went through."""
        self.reached.ever = True

    def ended(self, lived_s: float) -> None:
        """A connection is over. Only one that lived counts as success: a server may accept, then hang up at once."""
        if lived_s >= STEADY_S:
            self.failures = 0

    def delay_s(self, failure: KiteError) -> float | None:
        """Seconds to wait before the next try; None: don't try again."""
        self.failures += 1
        if isinstance(failure, _FATAL):
            return None
        if isinstance(failure, HandshakeRateLimited):
            return RATE_LIMITED_WAIT_S * (1 + self.draw())
        if not self.reached.ever and self.failures >= ATTEMPTS_BEFORE_FIRST_SUCCESS:
            return None
        return self.draw() * min(LAST_CEILING_S, FIRST_CEILING_S * float(1 << min(self.failures - 1, 10)))
