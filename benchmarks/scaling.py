"""What a feed costs as it grows: from 100 to 9,000 instruments, from 1 to 10 readers, recorded, with bars.

Each load is a sender (wire.c), a gateway process and its readers' processes, over a websocket; all stay up, asleep,
and play their rounds in turns. An instrument has two full ticks a second, as in the mission's load test, ten packets
a frame. The official client takes the same, from a sender of its own.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import native
from frames import ticks, tokens, write_frames
from kitecli.gateway.handle import open_gateway
from kitecli.gateway.spec import GatewaySpec, RecordPlan
from kitecli.market.tick import MODE_FULL
from kitecli.protocol.encoder import encode_frames
from kitecli.ring.location import runtime_dir
from kitecli.secret import Secret
from measure import Scale, percentile
from report import Grid, Line, Row, Table
from rings import ring_ticks
from stream_client import process_clock
from streams import HERE, ROUND_TIMEOUT_S, START_TIMEOUT_S, Child, Order, Stream

PER_FRAME: Final = 10
TICKS_PER_S: Final = 2  # of an instrument
BARS: Final = ("1m", "5m", "15m")
BURST_FRAMES, BURST_THEN_PER_S = 900, 3_000
_US: Final = 1e3
_MB: Final = 1024


@dataclass(frozen=True, slots=True)
class Load:
    """One line of the tables."""

    instruments: int
    readers: int = 1
    recorded: bool = False
    bars: bool = False

    @property
    def what(self) -> str:
        extra = (" recorded,", self.recorded), (f" bars of {' '.join(BARS)},", self.bars)
        said = "".join(text for text, wanted in extra if wanted)
        return f"{self.instruments:,} instruments,{said} {self.readers} reader{'s' * (self.readers > 1)}"


GROWTH: Final = tuple(map(Load, (100, 1_000, 3_000, 9_000)))
READERS: Final = tuple(Load(1_000, readers) for readers in (2, 5, 10))
WHOLE: Final = (Load(9_000, recorded=True), Load(9_000, 2, recorded=True, bars=True))


@dataclass(slots=True)
class Seen:
    """What was measured of one load, a figure a round; ``memory_mb`` at the end."""

    gateway_share: list[float] = field(default_factory=list)
    reader_share: list[float] = field(default_factory=list)
    p50_us: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    lost: int = 0
    memory_mb: float = 0.0
    reader_mb: float = 0.0


def run(scale: Scale) -> list[Table | Grid]:
    loads = scale.pick((*GROWTH, *READERS, *WHOLE), (*GROWTH, *READERS, *WHOLE), (Load(100, 2, True, True),))
    official = scale.pick((100, 1_000, 9_000), (100, 1_000, 9_000), ())
    seconds, rounds = scale.pick(1.5, 0.5, 0.1), scale.pick(4, 2, 1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kite-bench-")))
        ours = {load: stack.enter_context(_running(load, folder, ring_ticks(scale))) for load in loads}
        theirs = {count: stack.enter_context(_official(count, folder)) for count in official}
        for number in range(rounds + 1):  # the first warms
            for running in itertools.chain(ours.values(), theirs.values()):
                running.play(seconds, counts=number > 0)
        for running in itertools.chain(ours.values(), theirs.values()):
            running.note_memory()
        burst = ours[loads[-1]].burst(scale.pick(30.0, 3.0, 0.1))
    seen = {load: running.seen for load, running in ours.items()}
    return [_grid(seen, {count: one.seen for count, one in theirs.items()}, rounds, seconds), _judged(seen, burst)]


def _grid(ours: dict[Load, Seen], theirs: dict[int, Seen], rounds: int, seconds: float) -> Grid:
    lines = [Line(load.what, _figures(load.instruments, seen)) for load, seen in ours.items()]
    lines += [Line(f"{count:,} instruments, KiteTicker", _figures(count, seen)) for count, seen in theirs.items()]
    columns = ("ticks/s", "feed, % of a core", "feed, MB", "a reader, %", "a reader, MB", "p50, us", "p99, us", "lost")
    notes = (
        f"medians of {rounds} rounds of {seconds:g} s in turns; two full ticks a second an instrument, ten in a frame",
        "feed: the gateway's process; of KiteTicker the whole one, whose on_ticks only counts",
        "MB: private memory; ring and bars are shared, and not in it",
        "a reader: a process that takes batches and looks at no tick",
        "p50, p99: from the sender's stamp to a batch in the first reader's hands, or to on_ticks",
    )
    return Grid("scaling", "What a feed costs as it grows", columns, lines, notes)


def _figures(instruments: int, seen: Seen) -> tuple[str, ...]:
    lost = f"{seen.lost:,}"
    reader = (f"{median(seen.reader_share):.1f}", f"{seen.reader_mb:.0f}") if seen.reader_share else ("", "")
    return (
        f"{instruments * TICKS_PER_S:,}",
        f"{median(seen.gateway_share):.1f}",
        f"{seen.memory_mb:.0f}",
        *reader,
        f"{median(seen.p50_us):,.0f}",
        f"{median(seen.p99_us):,.0f}",
        lost,
    )


def _judged(seen: dict[Load, Seen], burst: tuple[float, int]) -> Table:
    """The targets of the design that are about whole loads."""
    mission, whole = seen.get(Load(1_000)), seen.get(WHOLE[-1])
    rows = []
    if mission:
        rows += [_limit("1,000 instruments x 2/s: private memory of the feed, MB", mission.memory_mb, 60)]
        rows += [_limit("1,000 instruments x 2/s: the feed, % of a core", median(mission.gateway_share), 5)]
        rows += [_limit("1,000 instruments x 2/s: lost", mission.lost, 0)]
    if whole:
        rows += [_limit(f"{WHOLE[-1].what}: the feed, % of a core", median(whole.gateway_share), 30)]
        rows += [_limit(f"{WHOLE[-1].what}: lost", whole.lost, 0)]
    rows += [_limit("a burst of 9,000 full packets: the last is read after, ms", burst[0], 1_000)]
    rows += [_limit("the burst and 30,000 ticks a second behind it: lost", burst[1], 0)]
    notes = ("over one connection, of the feed that records and builds bars, with its two readers",)
    return Table("scaling", "Whole loads", "as said", "", rows, notes)


def _limit(what: str, found: float, limit: float) -> Row:
    return Row(what, found, target=f"<= {limit:,}", met=found <= limit)


class Running:
    """A sender, a gateway and its readers."""

    def __init__(self, load: Load, server: Child, gateway_pid: int, readers: Sequence[Child]) -> None:
        self.load, self.seen = load, Seen()
        self._server, self._pid, self._readers = server, gateway_pid, readers
        self._cpu_ns = process_clock(gateway_pid)

    def play(self, seconds: float, *, counts: bool) -> None:
        frames_per_s = self.load.instruments * TICKS_PER_S // PER_FRAME
        before_ns, start_ns = self._cpu_ns(), time.perf_counter_ns()
        told = self._round(max(2, round(frames_per_s * seconds)), frames_per_s)
        cpu_ns, wall_ns = self._cpu_ns() - before_ns, time.perf_counter_ns() - start_ns
        self.seen.lost += sum(one["lost"] for one in told)
        if counts:
            self.seen.gateway_share.append(100 * cpu_ns / wall_ns)
            self.seen.reader_share.append(median(100 * one["cpu_ns"] / one["wall_ns"] for one in told))
            self.seen.p50_us.append(told[0]["p50_us"])
            self.seen.p99_us.append(told[0]["p99_us"])

    def burst(self, seconds: float) -> tuple[float, int]:
        """Milliseconds until the last packet of a burst is read, and what was lost of it and of what came then."""
        at_once = self._round(BURST_FRAMES, 0)
        then = self._round(round(BURST_THEN_PER_S * seconds), BURST_THEN_PER_S)
        return at_once[0]["most_us"] / _US, sum(one["lost"] for one in (*at_once, *then))

    def note_memory(self) -> None:
        self.seen.memory_mb = private_mb(self._pid)
        self.seen.reader_mb = private_mb(self._readers[0].pid)

    def _round(self, frames: int, frames_per_s: int) -> list[dict[str, float]]:
        for reader in self._readers:
            reader.tell(f"go {frames * PER_FRAME}")
        for reader in self._readers:
            reader.hear(START_TIMEOUT_S)
        self._server.tell(f"go {frames} 0 {frames_per_s} 1")
        return [json.loads(reader.hear(ROUND_TIMEOUT_S)) for reader in self._readers]


class Official:
    """The official client on the same load."""

    def __init__(self, instruments: int, stream: Stream) -> None:
        self.seen = Seen()
        self._frames_per_s, self._stream = instruments * TICKS_PER_S // PER_FRAME, stream

    def play(self, seconds: float, *, counts: bool) -> None:
        frames = max(2, round(self._frames_per_s * seconds))
        result = self._stream.play(Order(frames, PER_FRAME, frames_per_s=self._frames_per_s, stamp=True))
        if counts:
            self.seen.gateway_share.append(100 * result.cpu_ns / result.wall_ns)
            self.seen.p50_us.append(percentile(result.latencies_ns, 50) / _US)
            self.seen.p99_us.append(percentile(result.latencies_ns, 99) / _US)

    def note_memory(self) -> None:
        self.seen.memory_mb = private_mb(self._stream.pid)


@contextmanager
def _running(load: Load, folder: Path, ring: int) -> Iterator[Running]:
    with ExitStack() as stack:
        server = Child(native.program("wire"), "serve", _frames_file(load.instruments, folder))
        stack.callback(server.stop)
        root = f"ws://127.0.0.1:{server.hear(START_TIMEOUT_S)}/"
        store = stack.enter_context(tempfile.TemporaryDirectory(prefix="kite-bench-")) if load.recorded else ""
        gateway = stack.enter_context(open_gateway(_spec(root, ring, load, store)))
        assert gateway.pid is not None  # it has a folder
        readers = []
        for _ in range(load.readers):
            readers.append(Child(sys.executable, HERE / "scaling_reader.py", str(gateway.memory.path)))
            stack.callback(readers[-1].stop)
        for reader in readers:
            reader.hear(START_TIMEOUT_S)
        yield Running(load, server, gateway.pid, readers)


@contextmanager
def _official(instruments: int, folder: Path) -> Iterator[Official]:
    stream = Stream("official", _frames_file(instruments, folder), "latency", 0)
    try:
        yield Official(instruments, stream)
    finally:
        stream.close()


def _spec(root: str, ring: int, load: Load, store: str) -> GatewaySpec:
    return GatewaySpec(
        ws_root=root,
        api_key="benchmark",
        access_token=Secret("benchmark"),
        modes={},
        ring_size=ring,
        folder=str(runtime_dir()),
        intervals=BARS if load.bars else (),
        record=RecordPlan(store, floor_bytes=0) if store else None,
    )


def _frames_file(instruments: int, folder: Path) -> Path:
    """Full ticks without an exchange stamp: bars go by our clock, as the sender's stamps stand in the volume."""
    path = folder / f"frames-{instruments}"
    if not path.exists():
        rows, depth = ticks(20_000, MODE_FULL, tokens(instruments))
        rows["ts_event_s"] = 0
        write_frames(path, encode_frames(rows, depth, PER_FRAME))
    return path


def private_mb(pid: int) -> float:
    """What the process has for itself: pages of files in the runtime folder (ring, bars, seats) are shared."""
    private, shared, folder = 0, False, str(runtime_dir())
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, _, rest = line.partition(":")
        if "-" in name.split()[0]:
            shared = folder in line
        elif name.startswith("Private_") and not shared:
            private += int(rest.split()[0])
    return private / _MB
