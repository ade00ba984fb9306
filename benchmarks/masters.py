"""The instrument master: reading it, opening it again, what it keeps in memory, completing a symbol at a prompt.

Measured on the real master of KITE_MARKET_DATA where there is one, else on a made one of as many rows.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

from kitecli.market.book import InstrumentBook
from kitecli.market.columns import index_of_csv, index_of_rows, scanned_columns
from kitecli.market.index import MasterIndex
from kitecli.market.instruments import Instrument, format_instruments, parse_instruments
from measure import Cost, Scale, in_turns
from report import Row, Table, less
from startup import timed

ROWS: Final = 155_836
DAY: Final = date(2026, 2, 6)
REAL: Final = "instruments/DERIVED_kite_shaped_full_2026-02_from_upstox.csv.gz"
_MS: Final = 1e6
_COMPLETE: Final = {"_KITE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": "kite feed NSE:INF"}
# Resident memory before and after, of a process that does nothing else. (Linux; elsewhere the highest there was.)
_RESIDENT: Final = """
import sys, resource
def resident_kb():
    try:
        return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""
_OURS: Final = """
from kitecli.market.book import InstrumentBook
from kitecli.market.index import MasterIndex
before = resident_kb()
book = InstrumentBook(index=MasterIndex.open(sys.argv[2]).verify())
assert book.get(book.row(0).instrument_token) and book.find(book.row(1).key)
print(resident_kb() - before)
"""
_THEIRS: Final = """
from kiteconnect import KiteConnect
client, content = KiteConnect("key"), open(sys.argv[1], "rb").read()
before = resident_kb()
rows = client._parse_instruments(content)
print(resident_kb() - before)
"""


def run(scale: Scale) -> list[Table]:
    csv, title = _master(scale)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        csv_path, index_path = folder / "master.csv", folder / "instruments" / "api.kite.trade" / f"{DAY}.x.index"
        index_path.parent.mkdir(parents=True)
        csv_path.write_bytes(csv)
        index = index_of_csv(csv, DAY)
        index_path.write_bytes(index.image)
        times = Table("masters", title, "ms", "kiteconnect", _times(scale, csv, index_path), _notes(csv))
        memory = Table(
            "masters-memory",
            "The master in memory",
            "MB",
            "kiteconnect",
            [_memory(csv_path, index_path)],
            ("growth of the resident set by opening the index, checking all of it, and looking two instruments up",),
        )
        return [times, memory, _completion(scale, folder)]


def _master(scale: Scale) -> tuple[bytes, str]:
    folder = os.environ.get("KITE_MARKET_DATA")
    if folder and (Path(folder) / REAL).exists() and scale.name != "smoke":
        csv = gzip.decompress((Path(folder) / REAL).read_bytes())
        lines = csv.count(b"\n")
        return csv, f"The instrument master of {lines - 1:,} rows"
    rows = scale.pick(ROWS, ROWS, 2_000)
    return format_instruments(_made(rows)).encode(), f"The instrument master of {rows:,} made rows"


def _made(count: int) -> list[Instrument]:
    """Chains of options on sixty names, as most of a real master is."""
    rows = []
    for number in range(count):
        name, strike = f"NAME{number % 60}", 20_000 + 50 * (number // 120)
        kind = "CE" if number % 2 else "PE"
        rest = (0.0, date(2026, 2, 24), float(strike), 0.05, 65, kind, "NFO-OPT", "NFO")
        rows.append(Instrument(number << 8 | 2, str(number), f"{name}26FEB{strike}{kind}", name, *rest))
    return rows


def _times(scale: Scale, csv: bytes, index_path: Path) -> list[Row]:
    from kiteconnect import KiteConnect

    client = KiteConnect("key")
    candidates: Mapping[str, Callable[[], object]] = {
        "ours": partial(index_of_csv, csv, DAY),
        "reference": lambda: index_of_rows(parse_instruments(csv.decode()), DAY),
        # what its instruments() does with the server's answer
        "kiteconnect": partial(client._parse_instruments, csv),  # noqa: SLF001
        "open": partial(_opened, index_path),
        "find": partial(_found, index_path),
    }
    costs = in_turns(candidates, scale.pick(7, 2, 1), scale.pick(1, 1, 0))
    cold, warm = _row("CSV to an index, compiled", costs["ours"], costs["kiteconnect"], 300), costs["open"]
    return [
        cold,
        _row("CSV to an index, the reference", costs["reference"], costs["kiteconnect"]),
        _row("open it again, every byte checked", warm, costs["kiteconnect"], 20),
        _row("open it and find NSE:INFY", costs["find"], costs["kiteconnect"]),
    ]


def _opened(path: Path) -> MasterIndex:
    return MasterIndex.open(path).verify()


def _found(path: Path) -> Instrument | None:
    return InstrumentBook(index=MasterIndex.open(path)).find("NSE:INFY")


def _row(what: str, cost: Cost, peer: Cost, limit_ms: float | None = None) -> Row:
    (wall, cpu), (peer_wall, peer_cpu) = cost.per(1), peer.per(1)
    target, met = (f"<= {limit_ms:g}", cpu / _MS <= limit_ms) if limit_ms else ("", None)
    figures = (figure / _MS for figure in (wall, cpu, peer_wall, peer_cpu))
    return Row(what, *figures, less(peer_cpu, cpu), target, met)


def _notes(csv: bytes) -> tuple[str, ...]:
    scanner = "compiled" if scanned_columns(csv) is not None else "not built here: its row shows the reference"
    return (f"the CSV has {len(csv) / 1e6:.1f} MB; the scanner is {scanner}", "CPU time is held against the target")


def _memory(csv_path: Path, index_path: Path) -> Row:
    ours, theirs = (_growth_mb(code, csv_path, index_path) for code in (_OURS, _THEIRS))
    return Row("a master that is open", ours, None, theirs, None, less(theirs, max(ours, 0.1)), "<= 40", ours <= 40)


def _growth_mb(code: str, *paths: Path) -> float:
    done = subprocess.run([sys.executable, "-c", _RESIDENT + code, *paths], stdout=subprocess.PIPE, check=True)
    return int(done.stdout) / 1024


def _completion(scale: Scale, folder: Path) -> Table:
    """``kite feed NSE:INF`` and the key for completion, beside an interpreter that does nothing."""
    commands = {"ours": ("-m", "kitecli"), "python": ("-c", "pass")}
    env = {**_COMPLETE, "KITE_DATA_DIR": str(folder)}
    costs = {name: Cost() for name in commands}
    for number in range(scale.pick(25, 5, 1) + 1):
        for name, arguments in commands.items():
            wall_ns, cpu_ns = timed(partial(_start, arguments, env))
            if number:  # the first writes the bytecode and fills the page cache
                costs[name].add(wall_ns, cpu_ns)
    (wall, cpu), (peer, peer_cpu) = (costs[name].per(1) for name in commands)
    row = Row("completing a symbol", wall / _MS, cpu / _MS, peer / _MS, peer_cpu / _MS, "", "<= 100", wall / _MS <= 100)
    return Table("masters-completion", "A symbol at the prompt", "ms", "python -c pass", [row])


def _start(arguments: tuple[str, ...], env: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, *arguments], env={**os.environ, **env}, stdout=subprocess.DEVNULL, check=True)
