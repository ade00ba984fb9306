"""So many calls a second and no more, by all processes of a user together.

The last calls' times stand in a small file that is locked while one process looks at it, which takes microseconds::

    0        8        16       24
    +--------+--------+--------+
    | when_ns| when_ns| when_ns|   i64 little-endian, the oldest first; as many as the limit allows
    +--------+--------+--------+

The times are of the monotonic clock, which is the same for all processes and which nobody sets. It begins again with
the machine: a time from before that lies ahead of now, where no call can have been. Nobody reserves a turn, so who is
killed while he waits takes none with him; and the system gives back the lock of who is killed while he looks.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from kitecli.broker.rest import LOOPBACK_HOSTS, BrokerSession
from kitecli.clock import NS_PER_S
from kitecli.errors import EnvironmentProblem
from kitecli.ring.locks import lock

WINDOW_S: Final = 1.1
"""A second, and room for calls that are on their way for longer than those after them: the broker counts arrivals."""
PATIENCE_S: Final = 10.0
LOOK_AGAIN_S: Final = 0.005


def admit(calls: Sequence[int], now_ns: int, limit: int, window_ns: int) -> tuple[int, list[int]]:
    """How long to wait (0: go now) and the calls to remember, of ``calls`` that were made at these times."""
    recent = sorted(at_ns for at_ns in calls if now_ns - window_ns < at_ns <= now_ns + window_ns)
    if len(recent) < limit:
        return 0, [*recent, now_ns]
    return recent[-limit] + window_ns - now_ns, recent[-limit:]


class SharedPace:
    """At most ``limit`` calls in ``window_s`` by everybody who names the same file."""

    def __init__(
        self,
        path: Path,
        limit: int,
        *,
        window_s: float = WINDOW_S,
        now_ns: Callable[[], int] = time.monotonic_ns,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = path
        self._limit = limit
        self._window_ns = round(window_s * NS_PER_S)
        self._now_ns = now_ns
        self._wait = wait

    def turn(self) -> int:
        """Wait until a call may be made; when that was. Raises :class:`EnvironmentProblem`."""
        while True:
            at_ns, wait_ns = self.look()
            if not wait_ns:
                return at_ns
            self._wait(wait_ns / NS_PER_S)

    def look(self) -> tuple[int, int]:
        """Take a turn if there is one: when, and 0; else when one looked, and how many ns to wait before the next."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        except OSError as error:
            raise EnvironmentProblem(
                f"{self._path} can't be opened",
                why=f"calls a second are counted there: {error.strerror}",
                hint="free it, or set KITE_RUNTIME_DIR to a folder of your own",
            ) from error
        try:
            self._hold(descriptor)
            now_ns = self._now_ns()
            wait_ns, calls = admit(self._read(descriptor, now_ns), now_ns, self._limit, self._window_ns)
            if not wait_ns:
                _write(descriptor, calls[-self._limit :])
            return now_ns, wait_ns
        finally:
            os.close(descriptor)  # which gives back the lock

    def _hold(self, descriptor: int) -> None:
        for _ in range(round(PATIENCE_S / LOOK_AGAIN_S)):
            if lock(descriptor, wait=False):
                return
            time.sleep(LOOK_AGAIN_S)
        raise EnvironmentProblem(
            f"{self._path} stays locked",
            why=f"another kite has had it for {PATIENCE_S:g} s",
            hint="end or continue the one that was stopped, with Ctrl-Z perhaps",
        )

    def _read(self, descriptor: int, now_ns: int) -> list[int]:
        """The calls noted. A file that is damaged may have held any: then as if they were all made just now."""
        content = os.read(descriptor, 8 * self._limit + 1)
        if len(content) % 8 or len(content) > 8 * self._limit:
            _write(descriptor, [now_ns] * self._limit)
            return [now_ns] * self._limit
        return [at_ns for (at_ns,) in struct.iter_unpack("<q", content)]


def _write(descriptor: int, calls: Sequence[int]) -> None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    written = os.write(descriptor, struct.pack(f"<{len(calls)}q", *calls))
    os.ftruncate(descriptor, written)


def pace_file(folder: Path, session: BrokerSession) -> Path:
    """Where the calls for candles of an api_key are counted: the limit is its, not a machine's or a server's.

    All simulated exchanges share one: each has a key of its own, and would leave a file behind.
    """
    if urlsplit(session.api_root).hostname in LOOPBACK_HOSTS:
        return folder / "historical-sim.pace"
    account = hashlib.sha256(f"{session.api_root}\n{session.api_key}".encode()).hexdigest()[:12]
    return folder / f"historical-{account}.pace"
