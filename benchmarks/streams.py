"""Starts a sender (wire.c) and a client for each contender, and runs rounds over their sockets.

Everybody stays connected, asleep in between: what starting, connecting and importing cost is no part of a round.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import native
from frames import write_frames

HERE: Final = Path(__file__).resolve().parent
START_TIMEOUT_S: Final = 30.0
ROUND_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 10.0


class Child:
    """A process that is talked to in lines."""

    def __init__(self, *command: str | Path) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._name = " ".join(str(part) for part in command)
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )
        self._held = b""
        self.pid = self._process.pid

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")

    def hear(self, timeout_s: float) -> str:
        """Its next line. Raises RuntimeError with what it wrote to stderr where none comes."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._held:
            ready, _, _ = select.select([descriptor], [], [], timeout_s)
            part = os.read(descriptor, 1 << 16) if ready else b""
            if not part:
                raise RuntimeError(f"{self._name} said nothing: {self._complaints()}")
            self._held += part
        line, _, self._held = self._held.partition(b"\n")
        return line.decode()

    def stop(self) -> None:
        """Close its input, which is how it learns that it is over; kill it if it doesn't."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _complaints(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:].decode("utf-8", "replace") or "not even on stderr"


@dataclass(frozen=True, slots=True)
class Round:
    """What a client saw of one round. ``latencies_ns`` only where it was asked for; ``extra`` is the client's own."""

    frames: int
    ticks: int
    wall_ns: int
    cpu_ns: int
    latencies_ns: list[int]
    extra: dict[str, list[int] | int]


@dataclass(frozen=True, slots=True)
class Order:
    """What the sender does in a round (wire.c); its frames hold ``per_frame`` packets each."""

    frames: int
    per_frame: int
    write_bytes: int = 0
    frames_per_s: int = 0
    stamp: bool = False


class Stream:
    """One sender and its one client. ``kind`` is ``c`` for the bare reader, or a kind of stream_client.py."""

    def __init__(self, kind: str, frames_file: Path, measure: str, ring_ticks: int) -> None:
        wire = native.program("wire")
        self._server = Child(wire, "serve", frames_file)
        port = self._server.hear(START_TIMEOUT_S)
        if kind == "c":
            self._client = Child(wire, "read", port, measure)
        else:
            self._client = Child(sys.executable, HERE / "stream_client.py", kind, port, measure, str(ring_ticks))
        self.pid = self._client.pid
        self._told = kind.startswith("ring")

    def play(self, order: Order) -> Round:
        if self._told:  # its texts don't reach it through the ring
            self._client.tell(f"go {order.frames} {order.frames * order.per_frame}")
            self._client.hear(START_TIMEOUT_S)
        stamp = int(order.stamp)
        self._server.tell(f"go {order.frames} {order.write_bytes} {order.frames_per_s} {stamp}")
        seen = json.loads(self._client.hear(ROUND_TIMEOUT_S))
        if seen["frames"] != order.frames:
            raise RuntimeError(f"{seen['frames']} of {order.frames} frames arrived")
        known = {name: seen.pop(name) for name in ("frames", "ticks", "wall_ns", "cpu_ns", "latencies_ns")}
        return Round(**known, extra=seen)

    def close(self) -> None:
        self._server.stop()
        self._client.stop()


@contextmanager
def streams(
    kinds: Sequence[str], messages: Sequence[bytes], measure: str, ring_ticks: int
) -> Iterator[dict[str, Stream]]:
    """A stream of ``messages`` for each kind of client; ``measure`` is ``drain`` or ``latency``."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kite-bench-")))
        file = folder / "frames"
        write_frames(file, messages)
        started: dict[str, Stream] = {}
        for kind in kinds:
            started[kind] = Stream(kind, file, measure, ring_ticks)
            stack.callback(started[kind].close)
        yield started
