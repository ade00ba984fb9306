"""Waits that grow after wrong passwords. They slow down who tries at this machine's prompt; only the key derivation

slows down who has copied the file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from kitecli.clock import NS_PER_S
from kitecli.errors import TooManyTries

FREE: Final = 5
WAIT_S_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class Tries:
    """Wrong passwords since the last right one, and when the last of them came."""

    failures: int = 0
    last_ns: int = 0

    @classmethod
    def parse(cls, content: bytes) -> Tries:
        """What :meth:`to_bytes` wrote. Anything else counts as no failure: to delete the file does the same."""
        try:
            plain = json.loads(content)
            return cls(int(plain["failures"]), int(plain["last_ns"]))
        except (ValueError, KeyError, TypeError, OverflowError):
            return cls()

    def to_bytes(self) -> bytes:
        return json.dumps({"failures": self.failures, "last_ns": self.last_ns}).encode()

    def failed(self, now_ns: int) -> Tries:
        return replace(self, failures=self.failures + 1, last_ns=now_ns)

    @property
    def wait_s(self) -> int:
        """Seconds from the last failure to the next try: 5 are free, then 1, 2, 4 … 60."""
        return 0 if self.failures < FREE else min(WAIT_S_MAX, 1 << min(self.failures - FREE, 6))

    def admit(self, now_ns: int) -> None:
        """Raises :class:`TooManyTries` while it is too early. A clock set back doesn't lock anybody out."""
        left_s = self.wait_s - (now_ns - self.last_ns) / NS_PER_S
        if now_ns >= self.last_ns and left_s > 0:
            raise TooManyTries(
                f"{self.failures} wrong passwords came one after the other",
                why="each further one costs a longer wait",
                hint=f"try again in {ceil(left_s)} s",
            )
