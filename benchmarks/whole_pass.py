"""The whole compiled pass: lookup, ring, depth, links, board; 9,000 instruments at random, every frame different."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from driver import Blob, Driver
from frames import frames
from kitecli.hot import FramePass
from kitecli.market.tick import MODE_FULL, MODE_QUOTE
from measure import Cost, Scale, in_turns
from report import Row, Table, times
from rings import ring, ring_ticks


@dataclass(frozen=True, slots=True)
class Case:
    what: str
    mode: int
    per_frame: int
    limit_ns: float | None


CASES = (
    Case("full, 50 packets a frame", MODE_FULL, 50, 80),
    Case("full, 10 packets a frame", MODE_FULL, 10, 80),
    Case("full, 1 packet a frame", MODE_FULL, 1, 150),
    Case("quote, 50 packets a frame", MODE_QUOTE, 50, 35),
    Case("quote, 10 packets a frame", MODE_QUOTE, 10, 35),
    Case("quote, 1 packet a frame", MODE_QUOTE, 1, None),
)


def run(scale: Scale) -> list[Table]:
    rows, copies = [], []
    for case in CASES:
        row, copy_ns = _measured(case, scale)
        rows.append(row)
        copies.append(f"{case.what} {copy_ns:.0f} ns")
    return [
        Table(
            "pass",
            "The whole compiled pass, a tick",
            "ns a tick",
            "the same, called from C",
            rows,
            (
                "ours: `FramePass.ingest`, called from Python; CPU time is held against the target",
                f"copying the frame into the receive buffer, from C, taken off already: {', '.join(copies)}",
            ),
        )
    ]


def _measured(case: Case, scale: Scale) -> tuple[Row, float]:
    count = scale.pick(200_000, 25_000, 500)
    messages = frames(count, case.mode, case.per_frame)
    with ring(ring_ticks(scale)) as memory, ring(memory.layout.capacity) as other:
        costs = _costs(FramePass(memory), Driver(other), messages, scale.pick(20, 5, 1))
    wall, cpu = costs["python"].per(count, costs["python copy"])
    c_wall, c_cpu = costs["c"].per(count, costs["c copy"])
    target = f"<= {case.limit_ns:.0f}" if case.limit_ns else ""
    met = cpu <= case.limit_ns if case.limit_ns else None
    row = Row(case.what, wall, cpu, c_wall, c_cpu, times(cpu, c_cpu), target, met)
    return row, costs["c copy"].per(count)[1]


def _costs(ours: FramePass, driver: Driver, messages: Sequence[bytes], rounds: int) -> dict[str, Cost]:
    blob = Blob(messages)
    candidates: dict[str, Callable[[], object]] = {
        "python": through_python(ours, messages),
        "python copy": copied_in_python(messages),
        "c": lambda: driver.ingest(blob),
        "c copy": lambda: driver.copy(blob),
    }
    try:
        return in_turns(candidates, rounds)
    finally:
        driver.close()


def through_python(ours: FramePass, messages: Sequence[bytes]) -> Callable[[], None]:
    """Each message, all of one length, into the receive buffer and through the pass."""
    view = memoryview(bytearray(len(messages[0])))

    def run_all(messages: Sequence[bytes] = messages, ingest: Callable[..., int] = ours.ingest) -> None:
        for message in messages:
            view[:] = message
            ingest(view, 1, 0)

    return run_all


def copied_in_python(messages: Sequence[bytes]) -> Callable[[], None]:
    """What :func:`through_python` does around the pass."""
    view = memoryview(bytearray(len(messages[0])))

    def run_all(messages: Sequence[bytes] = messages) -> None:
        for message in messages:
            view[:] = message

    return run_all
