"""How many instructions a tick costs: what noise doesn't move, so a rise of a few per cent is a change of ours.

``python benchmarks/instructions.py`` counts under valgrind's callgrind and holds each figure to the one that
instructions.json has of it; it fails where one rose by more than :data:`TOLERANCE`. ``--accept`` writes the table anew.
The counted programs are counted_pass.c and counted_store.c, built with the flags the product is built with. Caches,
branches and the kernel aren't counted: for those there are the benchmarks.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import native
from measure import Scale
from report import Row, Table

TABLE: Final = Path(__file__).resolve().with_suffix(".json")
TOLERANCE: Final = 0.03
OTHER_COMPILER: Final = 0.50
"""Between -O1 and -O3 of one compiler the whole pass differs by 3 %, but decoding alone, which one of them does in wide
registers, by 44 %: a compiler that the table doesn't have is only kept from doubling a figure."""
TICKS: Final = 20_000  # of every figure, as in the C programs: ticks, or numbers of a column
FIGURES: Final = {
    "decode_full_50": "decoding full packets alone, 50 a frame",
    "pass_full_50": "the whole pass, full, 50 packets a frame",
    "pass_full_1": "the whole pass, full, 1 packet a frame",
    "pass_quote_50": "the whole pass, quote, 50 packets a frame",
    "pass_quote_10": "the whole pass, quote, 10 packets a frame",
    "bars_3_full_50": "the pass with bars 1m 5m 15m, full, 50 packets a frame",
    "bars_3_quote_50": "the pass with bars 1m 5m 15m, quote, 50 packets a frame",
    "bars_100ms_quote_50": "the pass with bars of 100ms, quote, 50 packets a frame",
    "append_full_10": "recording, the feed's thread: full, 10 packets a frame",
    "frame_full_10": "recording, the writer's thread: full, 10 packets a frame",
    "verify_full_10": "looking at a recording's checksums: full, 10 packets a frame",
    "pack_column": "packing a number of a column",
    "unpack_column": "unpacking it",
}
_PROGRAMS: Final = ("counted_pass", "counted_store")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure beside the table's; ``rise`` is a share of it."""

    name: str
    found: float
    known: float
    allowed: float

    @property
    def rise(self) -> float:
        return self.found / self.known - 1

    @property
    def line(self) -> str:
        return f"  {self.name:<20} {self.found:8.1f}  was {self.known:8.1f}  {self.rise:+7.1%}"


def run(_scale: Scale) -> list[Table]:
    verdicts = judged(counted(), read_table(), compiler())
    rows = [_row(verdict) for verdict in verdicts]
    notes = (
        f"counted by callgrind, {compiler()}; the peer is benchmarks/instructions.json",
        "the pass alone, called from C: no copy into a receive buffer, no call from Python",
        f"{TICKS:,} ticks of 900 instruments; with bars a minute of the market: each bar of a minute ends once",
    )
    return [Table("instructions", "Instructions a tick", "instructions a tick", "the table's", rows, notes)]


def _row(verdict: Verdict) -> Row:
    limit, met = f"<= {1 + verdict.allowed:.2f}x", verdict.rise <= verdict.allowed
    what, ratio = FIGURES[verdict.name], f"{1 + verdict.rise:.3f}x"
    return Row(what, verdict.found, peer=verdict.known, ratio=ratio, target=limit, met=met)


def why_not() -> str:
    """Why this machine can't count, or an empty string."""
    if native.compiler() is None:
        return "no C compiler to build what is counted"
    return "" if shutil.which("valgrind") else "valgrind isn't installed (apt-get install valgrind)"


def compiler() -> str:
    """What the counts depend on: the compiler's kind and major version, and the machine's."""
    kind = "clang" if "clang" in native.compiler_version() else "gcc"
    major = subprocess.run([str(native.compiler()), "-dumpversion"], capture_output=True, text=True, check=True).stdout
    return f"{kind} {major.split('.')[0].strip()}, {platform.machine()}"


def counted() -> dict[str, float]:
    """Instructions a tick by figure, of those of this checkout's headers."""
    counts: dict[str, int] = {}
    for name in _PROGRAMS:
        counts |= _callgrind(native.program(name), native.BUILD / f"{name}.callgrind")
    return {name: counts[name] / TICKS for name in FIGURES}


def _callgrind(program: Path, out: Path) -> dict[str, int]:
    command = ["valgrind", "-q", "--tool=callgrind", "--toggle-collect=counted_*", f"--callgrind-out-file={out}"]
    subprocess.run([*command, str(program)], check=True)
    counts, total = inclusive(out.read_text().splitlines())
    assert sum(counts.values()) == total, "something was counted outside the counted functions"
    return counts


def inclusive(lines: Sequence[str]) -> tuple[dict[str, int], int]:
    """Of a callgrind file, what each ``counted_`` function cost with all it called, and what everything did.

    A function's block has a line for its own cost, and behind each ``calls=`` one with the cost of what it called.
    """
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    within, total = "", 0
    for line in lines:
        if function := re.match(r"(c?)fn=(\(\d+\))(?: (.*))?", line):
            callee, number, spelt = function.groups()
            names.setdefault(number, (spelt or "").strip())
            within = within if callee else names[number]
        elif line.startswith("summary:"):
            total = int(line.split()[1])
        elif within.startswith("counted_") and (cost := re.fullmatch(r"[-+*\d]\S* (\d+)", line)):
            name = within.removeprefix("counted_")
            counts[name] = counts.get(name, 0) + int(cost[1])
    return counts, total


def read_table() -> dict[str, dict[str, float]]:
    """The checked-in figures: compiler, name, instructions a tick."""
    table: dict[str, dict[str, float]] = json.loads(TABLE.read_text())
    return table


def judged(found: Mapping[str, float], table: Mapping[str, Mapping[str, float]], by: str) -> list[Verdict]:
    """Each figure beside the table's. A compiler that it doesn't have is held to the first one's, less strictly."""
    known, allowed = table.get(by), TOLERANCE
    if known is None:
        known, allowed = next(iter(table.values())), OTHER_COMPILER
    return [Verdict(name, count, known[name], allowed) for name, count in found.items()]


def accepted(found: Mapping[str, float], table: Mapping[str, Mapping[str, float]], by: str) -> str:
    """The table with these figures for this compiler, as it is checked in."""
    figures = {name: round(count, 2) for name, count in found.items()}
    return json.dumps({**table, by: figures}, indent=2) + "\n"


def told(verdicts: Sequence[Verdict], by: str) -> str:
    """What to say; it begins with FAILED where the check fails."""
    risen = [verdict for verdict in verdicts if verdict.rise > verdict.allowed]
    fallen = [verdict for verdict in verdicts if verdict.rise < -TOLERANCE]
    if not risen:
        hint = "".join(f"\n{verdict.line}" for verdict in fallen)
        again = f"\nFewer than before, keep it so: python benchmarks/instructions.py --accept{hint}" if fallen else ""
        return f"instructions a tick: {len(verdicts)} figures as the table has them ({by}){again}"
    more = f"rose by more than {risen[0].allowed:.0%} ({by})"
    return "\n".join(
        [
            f"FAILED: {len(risen)} of {len(verdicts)} counts of instructions a tick {more}",
            *(verdict.line for verdict in risen),
            f"Not meant? callgrind_annotate --inclusive=yes build/benchmarks/{_PROGRAMS[0]}.callgrind",
            "Meant? python benchmarks/instructions.py --accept, and the commit says what it is worth.",
        ]
    )


def main(arguments: list[str]) -> int:
    if why := why_not():
        print(f"instructions a tick: not counted: {why}", file=sys.stderr)
        return 0
    found, by = counted(), compiler()
    if arguments == ["--accept"]:
        TABLE.write_text(accepted(found, read_table() if TABLE.exists() else {}, by))
        print(f"{TABLE.name}: {len(found)} figures of {by}")
        return 0
    said = told(judged(found, read_table(), by), by)
    print(said)
    return 1 if said.startswith("FAILED") else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
