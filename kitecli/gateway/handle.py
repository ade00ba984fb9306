"""A running gateway as its starter holds it: events out, requests in, and the memory to read."""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, Protocol

from kitecli.errors import FeedError
from kitecli.gateway.core import Gateway, remove_ring, seats_path
from kitecli.gateway.spec import (
    STOP_REQUEST,
    GatewayEvent,
    GatewaySpec,
    failed,
    subscribe_request,
    unsubscribe_request,
)
from kitecli.hot import RingView
from kitecli.ring.location import runtime_dir, sweep
from kitecli.ring.memory import RingMemory
from kitecli.ring.reader import RingReader
from kitecli.ring.seats import Seat

START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 5.0


class GatewayHandle(Protocol):
    """One client's hold on a gateway. Every method may be called from any thread.

    ``events``: what the gateway says, "stopped" or "failed" last. ``memory``: its ring, to be read. ``pid``: of the feed
    process; None where the feed runs in this one. ``joined``: somebody else had started it. ``warnings``: where the
    running gateway differs from what was asked for.
    """

    events: queue.SimpleQueue[GatewayEvent]
    memory: RingMemory
    pid: int | None
    joined: bool
    warnings: tuple[str, ...]

    def subscribe(self, modes: Mapping[int, str]) -> None:
        """Hold these instruments in these modes; all of them or, with the error raised, none."""

    def unsubscribe(self, tokens: Iterable[int]) -> None:
        """Let go of instruments; they go on streaming while another client holds them."""

    def status(self) -> dict[str, object]:
        """Everything about the feed, as docs/control-socket.md has it."""

    def stats(self) -> dict[str, object]:
        """The figures of status that move with every tick: ring, counters, readers."""

    def gaps(self) -> list[Gap]:
        """The outages known, oldest first, the last 1,000 at most."""

    def give_access_token(self, token: Secret) -> None:
        """A new token for a feed that waits for one, or for its next connection."""

    def stop(self) -> None:
        """End the gateway, for all its clients."""

    def close(self) -> None:
        """Leave. The gateway ends with its last client, unless it is a daemon. A second time does nothing."""


def open_gateway(spec: GatewaySpec, *, client: str = "") -> GatewayHandle:
    """Join the running gateway of ``spec.name``, or start it and join; on a thread where ``spec.folder`` is None.

    ``client``: what ``kite status`` calls this process. Raises :class:`TooManyInstruments` before anything is started,
    and what kept the gateway from starting.
    """
    raise NotImplementedError


def attach(memory: RingMemory, *, batch: int, depth: bool, spin: bool = False, from_oldest: bool = True) -> RingReader:
    """A reader of a gateway's ring, woken through a seat where the ring is a file."""
    seat = Seat.take(seats_path(memory.path)) if memory.path else None
    return RingReader(RingView(memory), seat=seat, batch=batch, depth=depth, spin=spin, from_oldest=from_oldest)


def ring_path(name: str) -> Path:
    """Where a gateway started by this process keeps its ring; sweeps away what dead ones left."""
    folder = runtime_dir()
    sweep(folder)
    return folder / f"feed-{name}.ring"


class ChildGateway:
    """A gateway in a process of its own: what runs here can't slow it down."""

    def __init__(self, spec: GatewaySpec) -> None:
        self.events: queue.SimpleQueue[GatewayEvent] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kitecli.gateway"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid: int | None = self._process.pid
        self._ring = Path(str(spec.ring_path))
        self.ask(spec.to_line())
        self._listener = threading.Thread(target=self._listen, daemon=True, name="gateway events")
        self._listener.start()
        try:
            self.memory = self._attached()
        except BaseException:
            self._process.kill()
            self._release()
            raise

    def ask(self, request: str) -> None:
        try:
            print(request, file=_pipe(self._process.stdin), flush=True)
        except (BrokenPipeError, ValueError):
            return  # it is gone; its last event says why

    def close(self) -> None:
        """Ask it to stop, wait, and end it if it won't."""
        self.ask(STOP_REQUEST)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._release()

    def _release(self) -> None:
        self._process.wait()
        self._listener.join(STOP_TIMEOUT_S)
        with suppress(BrokenPipeError):  # a request that never left
            _pipe(self._process.stdin).close()
        _pipe(self._process.stdout).close()
        remove_ring(self._ring)  # nothing is left to remove, unless it was killed

    def _listen(self) -> None:
        ended = False
        for line in _pipe(self._process.stdout):
            event = GatewayEvent.from_line(line)
            ended = ended or event.kind in ("stopped", "failed")
            self.events.put(event)
        if not ended:
            self.events.put(GatewayEvent("failed", error=_died(self._process.wait()).as_dict()))

    def _attached(self) -> RingMemory:
        try:
            first = self.events.get(timeout=START_TIMEOUT_S)
        except queue.Empty:
            raise FeedError("The feed process did not start", why=f"no word in {START_TIMEOUT_S:.0f} s") from None
        if failure := first.failure():
            raise failure
        return RingMemory.attach(self._ring)


class EmbeddedGateway:
    """A gateway on a thread of this process, in private memory: what a machine without the compiled pass can have.

    One interpreter runs both, so a busy reader delays the feed. It is told, not hidden: see ``kite doctor``.
    """

    def __init__(self, spec: GatewaySpec) -> None:
        self.events: queue.SimpleQueue[GatewayEvent] = queue.SimpleQueue()
        self.pid: int | None = None
        self._started: queue.SimpleQueue[Gateway | BaseException] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(spec,), daemon=True, name="embedded gateway")
        self._thread.start()
        gateway = self._started.get()
        if isinstance(gateway, BaseException):
            raise gateway
        self._gateway = gateway
        self.memory = gateway.memory

    def ask(self, request: str) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._gateway.request, request)

    def close(self) -> None:
        self.ask(STOP_REQUEST)
        self._thread.join(STOP_TIMEOUT_S)

    def _run(self, spec: GatewaySpec) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._serve(spec))
            except Exception as cause:  # noqa: BLE001 - a thread has nobody to raise to; its reader is told instead
                self.events.put(failed(cause))
            else:
                self.events.put(GatewayEvent("stopped"))

    async def _serve(self, spec: GatewaySpec) -> None:
        try:
            gateway = Gateway(spec, self.events.put)
        except BaseException as failure:  # noqa: BLE001 - raised again on the starter's thread
            self._started.put(failure)
            return
        self._started.put(gateway)
        try:
            await gateway.run()
        finally:
            gateway.close()


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # all of them were asked for
    return stream


def _died(exit_code: int) -> FeedError:
    return FeedError("The feed process died", why=f"exit code {exit_code}", hint="run kite doctor, then try again")
