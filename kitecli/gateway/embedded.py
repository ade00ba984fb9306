"""A gateway on a thread of this process, in private memory: where nothing was compiled, or one process is wanted.

One interpreter runs both, so a busy reader delays the feed. It is told, not hidden: see ``kite doctor``.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import suppress
from typing import Final

from kitecli.errors import FeedError, GatewayGone, KiteError
from kitecli.gateway.core import Gateway
from kitecli.gateway.messages import Bye, Hello, Request, parse_request, request_line
from kitecli.gateway.reports import Reports
from kitecli.gateway.spec import GatewayEvent, GatewaySpec, told

_US: Final = 1
"""The number of the only client."""


class EmbeddedGateway:
    """Asked as a :class:`~kitecli.gateway.client.ControlClient` is, by the same rules. Raises what a gateway raises."""

    def __init__(self, spec: GatewaySpec, client: str = "") -> None:
        self.events: queue.SimpleQueue[GatewayEvent] = queue.SimpleQueue()
        self._spec = spec
        self._hello = Hello(client, os.getpid())
        self._waiting: set[Future[object]] = set()
        self._table = threading.Lock()
        self._ended = False
        self._loop = asyncio.new_event_loop()
        started: Future[Gateway] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True, name="embedded gateway")
        self._thread.start()
        try:
            self._gateway = started.result()
        except Exception:
            self._thread.join()
            raise
        self.memory = self._gateway.memory
        self.bars = self._gateway.bars
        self.slot = self._gateway.figures.slot
        self.timelines = self._gateway.timelines

    def ask(self, request: Request, timeout_s: float = 10.0) -> dict[str, object]:
        """Do ``request``; returns its result. Raises the gateway's refusal, :class:`GatewayGone` where it has ended."""
        asked = parse_request(request_line(0, request)).request  # what a socket would refuse is refused here
        if isinstance(asked, KiteError):
            raise asked
        answer: Future[object] = Future()
        with self._table:
            if self._ended:
                raise _gone()
            self._waiting.add(answer)
            self._loop.call_soon_threadsafe(self._answer, asked, answer)
        try:
            result = answer.result(timeout_s)
        except NoAnswer:
            raise FeedError("The feed doesn't answer", why=f"its thread had no turn in {timeout_s:g} s") from None
        return result if isinstance(result, dict) else {}

    def leave(self, timeout_s: float) -> bool:
        """End it, and wait until it has; returns whether it has. A second time does nothing."""
        with suppress(KiteError):  # it has ended by itself, been closed before, or has no turn now and ends later
            self.ask(Bye(), timeout_s)
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _answer(self, request: Request, answer: Future[object]) -> None:
        with self._table:
            self._waiting.discard(answer)
        try:
            answer.set_result(self._gateway.answer(_US, request))
        except Exception as cause:  # noqa: BLE001 - raised again on the asker's thread
            answer.set_exception(told(cause))

    def _run(self, started: Future[Gateway]) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            reports: Reports | None = None
            try:
                reports = Reports(self._spec)
                runner.run(self._serve(started, reports))
            except Exception as cause:  # noqa: BLE001 - a thread has nobody to raise to
                if not started.done():
                    started.set_exception(cause)  # else its last event has told it
            finally:
                self._end()
                if reports is not None:
                    reports.close()

    async def _serve(self, started: Future[Gateway], reports: Reports) -> None:
        gateway = Gateway(self._spec, reports.hearing(self.events.put))
        reports.begin(gateway)
        asyncio.get_running_loop().set_exception_handler(gateway.on_stray)
        try:
            gateway.join(_US, self._hello)
            for event in gateway.greetings():
                self.events.put(event)
            started.set_result(gateway)
            await gateway.run()
        finally:
            gateway.close()

    def _end(self) -> None:
        with self._table:
            self._ended = True
            waiting, self._waiting = self._waiting, set()
        for answer in waiting:
            answer.set_exception(_gone())


def _gone() -> GatewayGone:
    return GatewayGone("This feed has ended", why="it was closed, or its last event says why", hint="open it again")
