"""What a line of the log costs who writes it, and what alerts being sent do to an event loop. docs/logs.md has the figures.

python benchmarks/log_calls.py
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

from kitecli.alerts.delivery import Post
from kitecli.alerts.plan import Alert, AlertPlan
from kitecli.alerts.sender import AlertSender
from kitecli.logs import about, logger
from kitecli.logs.plan import LogPlan
from kitecli.logs.running import begin
from kitecli.secret import Secret

LOG = logger("kitecli.feed")
CALLS = 3_000
NAPS = 4_000
ALERTS = 40


def shown(name: str, spans_us: list[float]) -> None:
    cuts = statistics.quantiles(spans_us, n=1000)
    print(f"{name:<34} N={len(spans_us):<6} p50 {cuts[499]:7.1f} p99 {cuts[989]:7.1f} max {max(spans_us):8.1f} us")


def lines(pause_s: float) -> list[float]:
    """The time each call takes, one every ``pause_s``."""
    fields = about(feed="3461f530", connection=1, state="reconnecting", error={"what": "cut", "why": "a reset"})
    spans_us = []
    for _ in range(CALLS):
        begun_ns = time.perf_counter_ns()
        LOG.info("connection %d is %s; trying again in %.1f s", 1, "reconnecting", 2.5, extra=fields)
        spans_us.append((time.perf_counter_ns() - begun_ns) / 1e3)
        time.sleep(pause_s)
    return spans_us


async def naps(beside: Callable[[int], None]) -> list[float]:
    """How much later than asked for a loop wakes, while ``beside`` is called before each nap."""
    late_us = []
    for number in range(NAPS):
        beside(number)
        begun = time.perf_counter()
        await asyncio.sleep(0.001)
        late_us.append((time.perf_counter() - begun - 0.001) * 1e6)
    return late_us


class _Taker(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _take(told: Connection) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
    told.send(server.server_address[1])
    server.serve_forever()


def alerts_beside_a_loop() -> None:
    mine, its = multiprocessing.Pipe()
    taker = multiprocessing.get_context("spawn").Process(target=_take, args=(its,), daemon=True)
    taker.start()
    plan = AlertPlan(("webhook",), webhook_url=Secret(f"http://127.0.0.1:{mine.recv()}/hook"))
    arrived: list[bool] = []
    sender = AlertSender(plan, Post(), lambda _, __, error: arrived.append(error is None))
    alert = Alert("test", "a test", "", "", 0)

    def send(number: int) -> None:
        if number % (NAPS // ALERTS) == 0:
            sender.post(alert)

    for _ in range(3):
        shown("late, nothing beside", asyncio.run(naps(lambda _: None)))
        shown(f"late, {ALERTS} alerts meanwhile", asyncio.run(naps(send)))
    sender.close(10)
    print(f"{sum(arrived)} of {len(arrived)} alerts arrived")
    taker.terminate()
    taker.join()


def main() -> int:
    held = [Secret(f"a secret of this process {number}") for number in range(4)]
    with tempfile.TemporaryDirectory() as folder:
        plan = LogPlan(folder)
        running = begin(plan, lambda problem: print(problem, file=sys.stderr))
        shown(f"a line a millisecond, {len(held)} secrets", lines(0.001))
        running.leave(running._hearers[0])  # noqa: SLF001 - the one that began it
    alerts_beside_a_loop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
