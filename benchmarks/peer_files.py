"""A day's ticks as Parquet and as Feather, by Arrow alone: ``peer_files.py DAY.npz ROUNDS``; prints JSON.

Runs in an environment without kite (peers.py). One thread, as everybody has.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import feather

pa.set_cpu_count(1)
pa.set_io_thread_count(1)


def main(day: str, rounds: int) -> None:
    with np.load(day) as kept:
        table = pa.table({name: np.ascontiguousarray(kept[name]) for name in kept.files})
    token = table["token"][0].as_py()
    by_token = table.sort_by([("token", "ascending"), ("ts_recv_ns", "ascending")])
    found = {
        "Parquet, zstd": _parquet(table, token, rounds),
        "Parquet, zstd, sorted by instrument": _parquet(by_token, token, rounds),
        "Feather, lz4": _feather(table, token, rounds),
    }
    print(json.dumps({"version": pa.__version__, "found": found}))


def _parquet(table: pa.Table, token: int, rounds: int) -> dict[str, float]:
    return _measured(
        rounds,
        lambda path: pq.write_table(table, path, compression="zstd", row_group_size=65_536),
        lambda path: pq.read_table(path, use_threads=False),
        lambda path: pq.read_table(path, use_threads=False, filters=[("token", "=", token)]),
    )


def _feather(table: pa.Table, token: int, rounds: int) -> dict[str, float]:
    def one(path: Path) -> object:
        whole = feather.read_table(path, memory_map=True, use_threads=False)
        return whole.filter(pc.equal(whole["token"], token))

    return _measured(
        rounds,
        lambda path: feather.write_feather(table, path, compression="lz4"),
        lambda path: feather.read_table(path, memory_map=False, use_threads=False),
        one,
    )


def _measured(
    rounds: int, write: Callable[[Path], object], read: Callable[[Path], object], one: Callable[[Path], object]
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "day"
        wrote_s = [_took(lambda: _synced(path, write)) for _ in range(rounds)]
        figures = {"write_s": median(wrote_s), "bytes": path.stat().st_size}
        figures["read_s"] = median(_took(lambda: read(path)) for _ in range(rounds))
        figures["one_s"] = median(_took(lambda: one(path)) for _ in range(rounds))
    return figures


def _synced(path: Path, write: Callable[[Path], object]) -> None:
    write(path)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _took(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
