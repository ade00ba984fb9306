"""One client of a load, in a process of its own: ``python -m kitecli.loadtest KIND``. Talks in lines of JSON.

====================  ==========================================================================================
the first line        :class:`Job`
answers ``ready``     it has joined the feed (``pid`` of the feed's process) or can connect
``go``                subscribe
``begin``, ``end``    of the time that is measured
``quiet``             subscribe to nothing any more; what is on its way is still counted
``count``             answers ``count``: ticks so far
``done``              answers ``done``: :func:`result`; the process ends
====================  ==========================================================================================

Whatever fails is answered as the error it is.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol

from kitecli.errors import KiteError
from kitecli.loadtest.tally import ClientTally

LOOK_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Job:
    """``spec``: of the feed, as :meth:`GatewaySpec.to_line` has it. ``batch``: ticks taken at a time, at most."""

    spec: str
    tokens: list[int]
    mode: str
    batch: int
    name: str
    connections: int

    def to_line(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Job:
        return cls(**json.loads(line))


class Client(Protocol):
    """What both kinds of client do."""

    tally: ClientTally

    @property
    def feed_pid(self) -> int | None: ...

    def go(self) -> None: ...
    def quiet(self) -> None: ...
    def read(self, timeout_s: float) -> None:
        """Take what has come; wait so long for it at most."""

    def figures(self) -> dict[str, object]:
        """What else it knows at its end, ready for JSON."""
        ...

    def close(self) -> None: ...


def serve(client: Client, orders: Callable[[], str | None], answer: Callable[[dict[str, Any]], None]) -> None:
    """Do as ordered until told ``done``. ``orders``: the next one, None where there is none now."""
    answer({"say": "ready", "pid": client.feed_pid})
    tally = client.tally
    while True:
        order = orders()
        if order == "go":
            client.go()
        elif order == "begin":
            tally.begin(time.monotonic())
        elif order == "end":
            tally.end(time.monotonic())
        elif order == "quiet":
            client.quiet()
        elif order == "count":
            answer({"say": "count", "ticks": tally.ticks})
        elif order == "done":
            answer({"say": "done", **result(client)})
            return
        client.read(LOOK_S)


def result(client: Client) -> dict[str, Any]:
    """Everything a client has counted, ready for JSON."""
    tally = client.tally
    return {
        "ticks": tally.ticks,
        "seconds": tally.seconds,
        "strange": tally.strange,
        "tokens": tally.by_token(),
        "latency": tally.latency.cells.tolist(),
        "points": tally.points,
        **client.figures(),
    }


def main(kind: str) -> int:
    """Read the job from stdin and serve it."""
    answer = _say
    try:
        client = _client(kind, Job.from_line(sys.stdin.readline()))
        try:
            serve(client, _orders(), answer)
        finally:
            client.close()
    except KiteError as error:
        answer({"say": "failed", **error.as_dict()})
        return error.exit_code
    return 0


def _client(kind: str, job: Job) -> Client:
    if kind == "kiteconnect":
        from kitecli.loadtest.official import OfficialClient

        return OfficialClient(job)
    from kitecli.loadtest.reader import Reader

    return Reader(job)


def _orders() -> Callable[[], str | None]:
    """What comes on stdin, by a thread; its end is the order to be done."""
    lines: SimpleQueue[str] = SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line.strip())
        lines.put("done")

    threading.Thread(target=listen, daemon=True).start()

    def next_order() -> str | None:
        try:
            return lines.get_nowait()
        except Empty:
            return None

    return next_order


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
