"""Recording: what it costs the feed's thread and the machine, how fast a day is read, how small it gets."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from frames import frames
from kitecli.hot import FramePass
from kitecli.market.tick import MODE_FULL
from kitecli.protocol.encoder import encode_frames
from kitecli.sim.market import SyntheticMarket
from kitecli.sim.universe import build_universe
from kitecli.store.folder import segment_paths
from kitecli.store.index import write_index
from kitecli.store.log import Stage
from kitecli.store.recorder import Recorder, StoreHold
from kitecli.store.recording import Recording
from kitecli.store.recovery import verify
from kitecli.store.sealing import seal_ended
from kitecli.store.writer import StoreSettings
from measure import Scale, in_turns, percentile
from report import Row, Table, less
from rings import ring
from sizes import real_sizes, segment_bytes, size_table

DAY: Final = date(2026, 11, 20)
START_NS: Final = 1_795_322_700_000_000_000
SETTINGS: Final = StoreSettings(floor_bytes=0)
PACE: Final = 18_000
"""Full ticks a second of 9,000 instruments."""
PER_FRAME: Final = 10
SIMULATED: Final = 2_000
_US: Final = 1e3


def run(scale: Scale) -> list[Table]:
    real = [] if scale.name == "smoke" else real_sizes()
    return [_appending(scale), _beside_the_feed(scale), *_one_day(scale), *real]


def _appending(scale: Scale) -> Table:
    rows: list[Row] = []
    for packets in (1, 10, 50):
        messages = frames(scale.pick(20_000, 5_000, 500), MODE_FULL, packets)[: scale.pick(1_000, 500, 10)]
        costs, count = in_turns(_log_steps(messages), scale.pick(15, 5, 1)), len(messages)
        full = f"a message of {packets} full packets"
        rows.append(Row(f"append, {full}", *costs["append and frame"].per(count, costs["frame"])))
        rows.append(Row(f"frame, {full}", *costs["frame"].per(count)))
    notes = (
        "append: the feed's thread, a call and a copy; measured as what it adds to framing",
        "frame: the writer's thread, a number, a checksum and a copy, without the GIL",
    )
    return Table("recordings", "Recording a message", "ns", "", rows, notes)


def _log_steps(messages: Sequence[bytes]) -> dict[str, Callable[[], object]]:
    passing, kept = Stage(SETTINGS.buffer_bytes), Stage(SETTINGS.buffer_bytes)
    out = bytearray(kept.out_bytes)

    def append(stage: Stage) -> None:
        for message in messages:
            stage.append(message, START_NS, 0)

    def frame(stage: Stage) -> None:
        stage.begin(1, 104, 0)
        while stage.frame(out, 1 << 62):
            pass

    def append_and_frame() -> None:
        append(passing)
        frame(passing)
        passing.synced()

    def frame_again() -> None:
        kept.rewind()
        frame(kept)

    append(kept)
    return {"append and frame": append_and_frame, "frame": frame_again}


def _beside_the_feed(scale: Scale) -> Table:
    """The receive loop at the pace of a full market: the pass alone, and with a recorder."""
    seconds, rounds = scale.pick(4.0, 1.0, 0.05), scale.pick(5, 2, 1)
    messages = frames(20_000, MODE_FULL, PER_FRAME)
    cpu: dict[str, list[float]] = {"alone": [], "recorded": []}
    late: dict[str, list[float]] = {"alone": [], "recorded": []}
    for _ in range(rounds):
        for what, shares in cpu.items():
            share, took_us = _paced(messages, seconds, recorded=what == "recorded")
            shares.append(share)
            late[what].append(took_us)
    above = median(cpu["recorded"]) - median(cpu["alone"])
    alone, recorded = median(late["alone"]), median(late["recorded"])
    return Table(
        "recordings",
        f"The receive loop at {PACE:,} full ticks a second, recorded",
        "% of a core, us",
        "not recorded",
        [
            Row("CPU of the process above the pass alone, %", above, target="<= 10", met=above <= 10),
            Row("p99 of taking a message in, us", recorded, None, alone, None, less(alone, recorded)),
        ],
        ("a message of 10 packets: the pass, and the recorder's append; the disk is synced meanwhile, once a second",),
    )


def _paced(messages: Sequence[bytes], seconds: float, *, recorded: bool) -> tuple[float, float]:
    """Per cent of a core used, and the 99th percentile of a message's time in microseconds."""
    with tempfile.TemporaryDirectory() as name, ring(1 << 16) as memory:
        hold = StoreHold.take(Path(name))
        recorder = Recorder(hold, DAY, settings=SETTINGS)
        ingest, append = FramePass(memory).ingest, recorder.append if recorded else _nothing
        took: list[int] = []
        start, cpu, number = time.perf_counter(), time.process_time(), 0
        while (now := time.perf_counter() - start) < seconds:
            for _ in range(number, int(now * PACE / PER_FRAME)):
                message, before = messages[number % len(messages)], time.perf_counter_ns()
                append(message, START_NS + number, 0)
                ingest(message, START_NS + number, 0)
                took.append(time.perf_counter_ns() - before)
                number += 1
            time.sleep(0.001)
        used = 100 * (time.process_time() - cpu) / seconds
        recorder.close()
        hold.release()
    return used, percentile(took or [0], 99) / _US


def _nothing(_message: bytes, _ts_recv_ns: int, _connection: int) -> None:
    return


def _one_day(scale: Scale) -> list[Table]:
    """A day of the simulator's market: written as fast as it goes, read, packed, and read again."""
    messages, count = simulated(scale.pick(120, 30, 1))
    with tempfile.TemporaryDirectory() as name:
        hold = StoreHold.take(Path(name))
        wrote_s = written(hold, messages)
        hold.release()
        folder = Path(name) / DAY.isoformat()
        raw_bytes = segment_bytes(folder)
        replayed_s = _middle([_replayed(folder) for _ in range(scale.pick(7, 5, 1))])
        for path in segment_paths(folder):
            write_index(path)
        raw = _read(folder, count, len(messages), scale)
        sealed_s = timed(lambda: list(seal_ended(Path(name))))
        index_bytes = sum(path.stat().st_size for path in folder.glob("*.kidx"))
        packed = _read(folder, count, len(messages), scale)
        sized = size_table(folder, raw_bytes, _title(count), most=60, note=_FIXED.format(index_bytes / count))
    rows = [
        _rate("written until on disk, million ticks a second", count, wrote_s),
        _rate("replayed into another store, on disk, million ticks a second", count, replayed_s),
    ]
    rows += [_row(what, raw[what], packed[what]) for what in _TARGETS]
    rows.append(Row("packed, MB of the segment a second", *(raw_bytes / took / 1e6 for took in sealed_s)))
    return [Table("recordings", f"Reading a recording: {_title(count)}", "raw", "packed", rows, (_CPU,)), sized]


def _title(count: int) -> str:
    return f"{count:,} full ticks of the simulated market, {PER_FRAME} a message"


def _rate(what: str, count: int, took_s: Pair) -> Row:
    wall, cpu = (count / seconds / 1e6 for seconds in took_s)
    return Row(what, wall, cpu, target=">= 1", met=wall >= 1)


_FIXED: Final = (
    f"{SIMULATED:,} instruments, seed 1, two ticks a second each, which fixes the entropy; the indexes by instrument "
    "take {:.2f} bytes a tick more, raw or packed"
)
_CPU: Final = (
    "CPU time, of all threads, is held against the targets, of the raw and of the packed recording; wall time where a "
    "disk is written"
)
_VERIFIED, _SOUGHT = "verified, MB of the segment a second", "open and seek to an instant, ms"
_DECODED, _ONE = "read as ticks, million a second", "all ticks of one instrument, ms"
_TARGETS: Final[dict[str, tuple[str, Callable[[float], bool] | None]]] = {
    _VERIFIED: (">= 200", lambda figure: figure >= 200),
    _SOUGHT: ("<= 10", lambda figure: figure <= 10),
    _DECODED: ("", None),
    _ONE: ("", None),
}
Pair = tuple[float, float]
"""Of wall and of CPU time."""


def _row(what: str, raw: Pair, packed: Pair) -> Row:
    target, is_met = _TARGETS[what]
    met = is_met(raw[1]) and is_met(packed[1]) if is_met else None
    return Row(what, *raw, *packed, target=target, met=met)


def simulated(seconds: int) -> tuple[list[bytes], int]:
    market = SyntheticMarket(build_universe(DAY, SIMULATED), seed=1, rate=2.0, start_ns=START_NS)
    messages: list[bytes] = []
    count = 0
    for second in range(1, seconds + 1):
        batch = market.advance(START_NS + second * 1_000_000_000)
        messages += encode_frames(batch.ticks, batch.depth, PER_FRAME)
        count += batch.ticks.size
    return messages, count


def written(hold: StoreHold, messages: Sequence[bytes]) -> Pair:
    """Seconds of wall and of CPU time, of both threads, until all of it is on disk."""
    stamped = ((message, START_NS + number * 1_000, 0) for number, message in enumerate(messages))
    return timed(lambda: _append_all(hold, stamped))


def _replayed(folder: Path) -> Pair:
    """The same to read a day's messages, and have them on disk in another store."""
    with tempfile.TemporaryDirectory() as name, Recording.open(folder) as recording:
        hold = StoreHold.take(Path(name))
        took = timed(lambda: _append_all(hold, recording.frames()))
        hold.release()
    return took


def _append_all(hold: StoreHold, frames: Iterable[tuple[bytes | memoryview, int, int]]) -> None:
    with Recorder(hold, DAY, settings=SETTINGS, now_ns=lambda: START_NS) as recorder:
        append = recorder.append
        for number, (payload, stamp, connection) in enumerate(frames):
            if not number & 63:
                recorder.wait_for_room()
            append(payload, stamp, connection)
        recorder.flush()


def _read(folder: Path, ticks: int, messages: int, scale: Scale) -> dict[str, Pair]:
    size = sum(verdict.found.size for verdict in verify(folder) if verdict.found)
    verified = [timed(lambda: list(verify(folder))) for _ in range(scale.pick(5, 3, 1))]
    decoded = timed(lambda: _decoded(folder, ticks))
    rounds = scale.pick(50, 10, 1)
    instants = [START_NS + messages * at // rounds * 1_000 for at in range(rounds)]
    with Recording.open(folder) as recording:
        tokens = np.unique(next(recording.ticks()).ticks["token"])[:: scale.pick(200, 400, 2_000)].tolist()
    return {
        _VERIFIED: _middle([(size / wall_s / 1e6, size / cpu_s / 1e6) for wall_s, cpu_s in verified]),
        _SOUGHT: _middle([_in_ms(timed(lambda at=at: _sought(folder, at))) for at in instants]),
        _DECODED: (ticks / decoded[0] / 1e6, ticks / decoded[1] / 1e6),
        _ONE: _middle([_in_ms(timed(lambda token=token: _one(folder, token))) for token in tokens]),
    }


def timed(run: Callable[[], object]) -> Pair:
    """Seconds of wall and of CPU time."""
    begun, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - begun, time.process_time() - cpu


def _in_ms(seconds: Pair) -> Pair:
    return seconds[0] * 1e3, seconds[1] * 1e3


def _middle(pairs: Sequence[Pair]) -> Pair:
    return median(wall for wall, _ in pairs), median(cpu for _, cpu in pairs)


def _decoded(folder: Path, ticks: int) -> None:
    with Recording.open(folder) as recording:
        found = sum(batch.ticks.size for batch in recording.ticks())
    if found != ticks:
        raise AssertionError(f"{found:,} of {ticks:,} ticks came back")


def _one(folder: Path, token: int) -> None:
    with Recording.open(folder) as recording:
        if not recording.array([token]).ticks.size:
            raise AssertionError("an instrument's ticks were lost")


def _sought(folder: Path, at_ns: int) -> None:
    with Recording.open(folder) as recording:
        if next(recording.frames(at_ns)).ts_recv_ns != at_ns:
            raise AssertionError("a seek came out somewhere else")
