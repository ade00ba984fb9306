"""A day's ticks kept and read again: our recording beside the files other systems keep theirs in.

Parquet is what NautilusTrader's and OpenAlgo's catalogues are made of, Feather what freqtrade reads. Both are done by
Arrow, by itself (peer_files.py), in an environment of its own under build/: nothing of it reaches ours. Everybody gets
the same ticks of the simulated market, with every field and five levels of depth, as whole numbers; ours keeps the
messages themselves, and each contender ends with the ticks in memory as columns or records.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

import native
from kitecli.store.folder import segment_paths
from kitecli.store.index import write_index
from kitecli.store.recorder import StoreHold
from kitecli.store.recording import Recording
from kitecli.store.sealing import seal_ended
from kitecli.store.ticks import TickBatch
from measure import Scale
from recordings import DAY, PER_FRAME, SIMULATED, simulated, timed, written
from report import Grid, Line, Table

PACKAGES: Final = ("pyarrow==26.0.1", "numpy>=2")
HOME: Final = native.BUILD / "peers"
_INSTALL_TIMEOUT_S: Final = 300.0
_SIDES: Final = ("buy", "sell")


def run(scale: Scale) -> list[Table | Grid]:
    python = Path(sys.executable) if scale.name == "smoke" else HOME / "bin" / "python"
    if why := "" if _has_peers(python) else _not_made(python, scale):
        print(f"peers: left out: {why}", file=sys.stderr)
        return []
    rounds = scale.pick(5, 2, 1)
    with tempfile.TemporaryDirectory(prefix="kite-bench-") as name:
        found, day = _ours(Path(name), scale.pick(120, 30, 1), rounds)
        arrow, peers = _theirs(python, Path(name), day, rounds)
    lines = [Line(what, _figures(figures, day.ticks.size)) for what, figures in (found | peers).items()]
    columns = ("bytes a tick", "written, M ticks/s", "read whole, M ticks/s", "one instrument, ms")
    notes = (
        f"{day.ticks.size:,} full ticks of {SIMULATED:,} instruments, {PER_FRAME} a message; Arrow {arrow}, one thread",
        "ours is written message by message until it is on disk, theirs whole from memory, synced; packing comes later",
        "read whole: every field and the depth; medians of the rounds, wall time",
    )
    return [Grid("peers", "A day's ticks kept, beside other systems' files", columns, lines, notes)]


def _figures(figures: dict[str, float], count: int) -> tuple[str, ...]:
    rates = (f"{count / figures[name] / 1e6:.2f}" if name in figures else "" for name in ("write_s", "read_s"))
    return (f"{figures['bytes'] / count:.1f}", *rates, f"{figures['one_s'] * 1e3:.1f}")


def _not_made(python: Path, scale: Scale) -> str:
    """Make the environment that ``python`` is of; why it couldn't be, or an empty string."""
    if scale.name == "smoke":
        return "pyarrow isn't installed"
    try:
        venv.create(HOME, with_pip=True, clear=True)
        command = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", *PACKAGES]
        subprocess.run(command, check=True, capture_output=True, timeout=_INSTALL_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return f"pip couldn't install {' '.join(PACKAGES)}: offline?"
    return ""


def _has_peers(python: Path) -> bool:
    if not python.exists():
        return False
    return subprocess.run([python, "-c", "import pyarrow"], capture_output=True, check=False).returncode == 0


def _ours(folder: Path, seconds: int, rounds: int) -> tuple[dict[str, dict[str, float]], TickBatch]:
    messages, count = simulated(seconds)
    hold = StoreHold.take(folder)
    wrote_s, _ = written(hold, messages)
    hold.release()
    day = folder / DAY.isoformat()
    for path in segment_paths(day):
        write_index(path)
    found = {"kite, as recorded": {"write_s": wrote_s} | _read(day, rounds)}
    list(seal_ended(folder))
    found["kite, packed"] = _read(day, rounds)
    with Recording.open(day) as recording:
        whole = recording.array(depth=True)
    assert whole.ticks.size == count
    return found, whole


def _read(day: Path, rounds: int) -> dict[str, float]:
    def whole() -> None:
        with Recording.open(day) as recording:
            recording.array(depth=True)

    def one() -> None:
        with Recording.open(day) as recording:
            recording.array([token], depth=True)

    with Recording.open(day) as recording:
        token = int(next(recording.ticks()).ticks["token"][0])
    size = sum(path.stat().st_size for path in segment_paths(day))
    return {"bytes": size, "read_s": _median_s(whole, rounds), "one_s": _median_s(one, rounds)}


def _median_s(run_once: Callable[[], object], rounds: int) -> float:
    return median(timed(run_once)[0] for _ in range(rounds))


def _theirs(python: Path, folder: Path, day: TickBatch, rounds: int) -> tuple[str, dict[str, dict[str, float]]]:
    np.savez(folder / "day.npz", **columns(day))
    command = [python, Path(__file__).with_name("peer_files.py"), folder / "day.npz", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    return told["version"], told["found"]


def columns(day: TickBatch) -> dict[str, Any]:  # Any: arrays of several types, as savez takes them
    """Every field of ticks and depth as a column of whole numbers."""
    assert day.depth is not None
    found = {name: day.ticks[name] for name in day.ticks.dtype.names or ()}
    found |= {name: day.depth[name] for name in ("last_trade_time", "oi_day_high")}
    for side in _SIDES:
        for name, kind in (("quantity", np.uint32), ("price", np.int32), ("orders", np.uint16)):
            levels = day.depth[side][name].astype(kind)
            found |= {f"{side}_{name}_{level + 1}": levels[:, level] for level in range(5)}
    return found
