"""Starting up: ``kite --help`` and completion, beside an interpreter that only imports Typer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter_ns

from measure import Cost, Scale
from report import Row, Table, times

# What the console script does, without needing to know where it was installed.
_KITE = "import sys; sys.argv[0] = 'kite'; from kitecli.__main__ import main; main()"
_COMPLETION = {"_KITE_COMPLETE": "complete_bash", "COMP_WORDS": "kite fe", "COMP_CWORD": "1"}
_MS = 1e6


def run(scale: Scale) -> list[Table]:
    commands: Mapping[str, tuple[Sequence[str], Mapping[str, str]]] = {
        "typer": (("-c", "import typer"), {}),
        "kite --help": (("-c", _KITE, "--help"), {}),
        "completing a verb": (("-c", _KITE), _COMPLETION),
        "python -c pass": (("-c", "pass"), {}),
    }
    costs = {name: Cost() for name in commands}
    for number in range(scale.pick(25, 5, 1) + 1):
        for name, (arguments, variables) in commands.items():
            wall_ns, cpu_ns = timed(partial(_start, arguments, variables))
            if number:  # the first writes the bytecode and fills the page cache
                costs[name].add(wall_ns, cpu_ns)
    rows = [_row("kite --help", costs, 3.0), _row("completing a verb", costs, 1.5), _row("python -c pass", costs, None)]
    return [
        Table("startup", "Start-up", "ms", 'python -c "import typer"', rows, ("CPU time is held against the target",))
    ]


def _start(arguments: Sequence[str], variables: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, *arguments], env={**os.environ, **variables}, stdout=subprocess.DEVNULL, check=True)


def timed(start: Callable[[], None]) -> tuple[float, float]:
    before, wall_ns = getrusage(RUSAGE_CHILDREN), perf_counter_ns()
    start()
    wall_ns, after = perf_counter_ns() - wall_ns, getrusage(RUSAGE_CHILDREN)
    return wall_ns, 1e9 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _row(name: str, costs: Mapping[str, Cost], limit: float | None) -> Row:
    ours, typer = costs[name].per(1), costs["typer"].per(1)
    ratio = ours[1] / typer[1]
    wall, cpu, peer_wall, peer_cpu = (figure / _MS for figure in (*ours, *typer))
    target, met = (f"<= {limit:g}x", ratio <= limit) if limit else ("", None)
    return Row(name, wall, cpu, peer_wall, peer_cpu, times(ratio, 1), target, met)
