"""From the socket to the end of the whole pass: CPU time a tick of the client's process, as fast as it takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from frames import frames
from kitecli.market.tick import MODE_FULL
from measure import Scale
from report import Row, Table, less
from rings import ring_ticks
from streams import Order, Round, Stream, streams

_WRITE_BYTES = 64 * 1024
_LIMIT_NS = 150.0


@dataclass(frozen=True, slots=True)
class Case:
    """``share``: how many times fewer frames the official client gets, to be done in the same time."""

    what: str
    per_frame: int
    write_bytes: int
    limit_ns: float | None
    share: int


CASES = (
    Case("50 packets a frame, a write each", 50, 0, _LIMIT_NS, 50),
    Case("1 packet a frame, a write each", 1, 0, None, 20),
    Case("1 packet a frame, 64 kB a write", 1, _WRITE_BYTES, None, 20),
)


def run(scale: Scale) -> list[Table]:
    ours_rows, floor = [], []
    for case in CASES[: scale.pick(3, 3, 1)]:
        rounds = _measured(case, scale)
        ours, official, bare = (_per_tick(rounds[kind]) for kind in ("pass", "official", "c"))
        met = ours[1] <= case.limit_ns if case.limit_ns else None
        target = f"<= {case.limit_ns:.0f}, 100x" if case.limit_ns else ""
        ours_rows.append(Row(case.what, *ours, *official, less(official[1], ours[1]), target, met))
        floor.append(f"{case.what} {bare[1]:.1f} ns")
    return [
        Table(
            "socket",
            "Socket to the end of the whole pass, full ticks over a plain websocket",
            "ns a tick",
            "KiteTicker, empty on_ticks",
            ours_rows,
            (
                "CPU time of the client's process is held against the target; wall time includes waiting for data",
                f"CPU of a blocking C reader that looks at no tick: {', '.join(floor)}",
            ),
        )
    ]


def _measured(case: Case, scale: Scale) -> Mapping[str, list[Round]]:
    pool = frames(scale.pick(100_000, 25_000, 500), MODE_FULL, case.per_frame)
    ticks = scale.pick(1_500_000, 100_000, 1_000) if case.per_frame > 1 else scale.pick(400_000, 20_000, 500)
    count = ticks // case.per_frame
    with streams(("pass", "official", "c"), pool, "drain", ring_ticks(scale)) as contenders:
        seen: dict[str, list[Round]] = {kind: [] for kind in contenders}
        for number in range(scale.pick(10, 3, 1) + 1):
            for kind, stream in contenders.items():
                fewer = max(1, count // case.share) if kind == "official" else count
                result = _play(stream, case, fewer)
                if number:  # the first warms: pages, code, the interpreter's caches
                    seen[kind].append(result)
    return seen


def _play(stream: Stream, case: Case, frames: int) -> Round:
    return stream.play(Order(frames, case.per_frame, case.write_bytes))


def _per_tick(rounds: list[Round]) -> tuple[float, float]:
    """Median (wall, CPU) nanoseconds a tick."""
    return median(one.wall_ns / one.ticks for one in rounds), median(one.cpu_ns / one.ticks for one in rounds)
