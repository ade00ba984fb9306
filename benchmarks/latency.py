"""Socket to strategy: from the sender's stamp, before its write, to the first line of the reader's ``on_tick``."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from frames import frames
from kitecli.market.tick import MODE_FULL
from measure import Scale, percentile
from report import Row, Table, times
from rings import ring_ticks
from streams import Order, Round, streams

FRAMES_PER_S = 2_000
PER_FRAME = 10
_US = 1e3
_P99_LIMIT_US = 1_000.0
KINDS = {
    "ring": ("gateway process, ring, woken by its seat", 3.0),
    "ring-spin": ("the same with --spin", 2.0),
    "callback": ("in process: on_tick from the socket's callback", None),
    "official": ("KiteTicker's on_ticks", None),
}


def run(scale: Scale) -> list[Table]:
    rounds = _measured(scale)
    rows = [row for kind in KINDS for row in _rows(kind, rounds)]
    p99 = [_percentile(one, 99) for one in rounds["c"]]
    return [
        Table(
            "latency",
            f"Socket to on_tick, {FRAMES_PER_S * PER_FRAME:,} full ticks a second in {FRAMES_PER_S:,} frames",
            "us",
            "blocking C reader",
            rows,
            (
                (
                    f"medians of {len(rounds['c'])} interleaved rounds of {rounds['c'][0].frames:,} frames; a ratio is "
                    "the median of each round's"
                ),
                f"of all ticks: a frame's {PER_FRAME}th waits for nine calls of on_tick; KiteTicker's gets all ten",
                f"the C reader's own p99 ranged from {min(p99):,.0f} to {max(p99):,.0f} us",
                _stages(rounds["ring"]),
                f"CPU of a core at that rate: {_cpu(rounds)}",
            ),
        )
    ]


def _measured(scale: Scale) -> Mapping[str, list[Round]]:
    order = Order(scale.pick(2_000, 400, 20), PER_FRAME, frames_per_s=FRAMES_PER_S, stamp=True)
    pool = frames(scale.pick(20_000, 5_000, 500), MODE_FULL, PER_FRAME)
    with streams(("c", *KINDS), pool, "latency", ring_ticks(scale)) as contenders:
        seen: dict[str, list[Round]] = {kind: [] for kind in contenders}
        names = list(contenders)
        for number in range(scale.pick(15, 5, 1) + 1):
            turn = number % len(names)
            for kind in names[turn:] + names[:turn]:
                result = contenders[kind].play(order)
                if number:
                    seen[kind].append(result)
    return seen


def _rows(kind: str, rounds: Mapping[str, list[Round]]) -> list[Row]:
    what, limit = KINDS[kind]
    rows = []
    for percent in (50, 99):
        ours = [_percentile(one, percent) for one in rounds[kind]]
        bare = [_percentile(one, percent) for one in rounds["c"]]
        ratio = median(a / b for a, b in zip(ours, bare, strict=True))
        target, met = _judged(percent, limit, ratio, median(ours))
        row = Row(f"{what}, p{percent}", median(ours), None, median(bare), None, times(ratio, 1), target, met)
        rows.append(row)
    return rows


def _judged(percent: int, limit: float | None, ratio: float, ours_us: float) -> tuple[str, bool | None]:
    if limit is None:
        return "", None
    if percent == 50:
        return f"<= {limit:.0f}x", ratio <= limit
    return f"<= {_P99_LIMIT_US:,.0f}", ours_us <= _P99_LIMIT_US


def _percentile(one: Round, percent: float) -> float:
    return percentile(one.latencies_ns, percent) / _US


def _stages(rounds: list[Round]) -> str:
    feed, hop = ([value for one in rounds for value in _list(one.extra[name])] for name in ("feed_ns", "hop_ns"))
    return (
        f"p50 of the way through the ring: {percentile(feed, 50) / _US:.0f} us to the feed's receive stamp, "
        f"{percentile(hop, 50) / _US:.0f} us more to a batch in the reader's hands"
    )


def _cpu(rounds: Mapping[str, list[Round]]) -> str:
    shares = {kind: median(one.cpu_ns / one.wall_ns for one in seen) for kind, seen in rounds.items()}
    gateway = median(_int(one.extra["gateway_cpu_ns"]) / one.wall_ns for one in rounds["ring"])
    return ", ".join(f"{kind} {share:.0%}" for kind, share in {**shares, "the gateway": gateway}.items())


def _list(value: list[int] | int) -> list[int]:
    return value if isinstance(value, list) else [value]


def _int(value: list[int] | int) -> int:
    return value if isinstance(value, int) else sum(value)
