"""Runs the benchmarks and prints what they found: ``python benchmarks/run.py [NAME…] [--quick] [--json FILE]``.

Each stands in a module of its own, imported when its turn comes, and hands back tables (report.py). One that this
machine can't run is left out with the reason. docs/benchmarks.md says how to read the figures.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Final

import instructions
import native
from kitecli.errors import KiteError
from measure import Scale
from report import Grid, Table, as_dict, conditions, load, text, write_into

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
# name: module, and what it needs of the machine
BENCHMARKS: Final = {
    "decode": ("decode", ("compiled", "compiler")),
    "pass": ("whole_pass", ("compiled", "compiler")),
    "bars": ("bar_pass", ("compiled",)),
    "socket": ("sockets", ("compiled", "compiler", "linux")),
    "latency": ("latency", ("compiled", "compiler", "linux")),
    "scaling": ("scaling", ("compiled", "compiler", "linux")),
    "startup": ("startup", ("unix",)),
    "footprint": ("footprint", ("unix",)),
    "queries": ("queries", ("compiled",)),
    "dictionaries": ("dictionaries", ()),
    "masters": ("masters", ("unix",)),
    "recordings": ("recordings", ("compiled", "unix")),
    "peers": ("peers", ("compiled", "unix")),
    "instructions": ("instructions", ("compiled", "counting")),
    "layouts": ("layouts", ("compiled", "compiler")),
}


def main(arguments: list[str]) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write and (options.names or options.smoke):
        parser.error("--write replaces the whole section, so it takes a run of everything")
    names = options.names or list(BENCHMARKS)
    circumstances = conditions(" ".join(["python benchmarks/run.py", *arguments]))
    scale = Scale("smoke" if options.smoke else "quick" if options.quick else "full")
    try:
        tables = [table for name in names for table in _ran(name, scale)]
    except KiteError as failure:
        print(failure, file=sys.stderr)
        return failure.exit_code
    circumstances["load average"] += f" at the start, {load()} at the end"
    body = text(tables, circumstances)
    print(body)
    if options.json:
        options.json.write_text(json.dumps(as_dict(tables, circumstances), indent=2) + "\n")
    if options.write:
        write_into(PAGE, body)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks/run.py", description="kite beside the official client and plain C")
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds of fewer ticks: under a minute")
    parser.add_argument("--smoke", action="store_true", help="only see that everything runs; the figures mean nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables there as well")
    parser.add_argument("--write", action="store_true", help="replace the results in docs/benchmarks.md")
    return parser


def _ran(name: str, scale: Scale) -> list[Table | Grid]:
    module, needs = BENCHMARKS[name]
    missing = [why for need in needs if (why := _lacks(need))]
    if missing:
        print(f"{name}: left out: {'; '.join(missing)}", file=sys.stderr)
        return []
    start_s = time.monotonic()
    tables: list[Table | Grid] = importlib.import_module(module).run(scale)
    print(f"{name}: {time.monotonic() - start_s:.0f} s", file=sys.stderr)
    return tables


def _lacks(need: str) -> str:
    """Why this machine can't, or an empty string."""
    if need == "compiled":
        from kitecli.hot import COMPILED, WHY_NOT

        return "" if COMPILED else WHY_NOT
    if need == "compiler":
        return "" if native.compiler() else "no C compiler to build its C side with"
    if need == "counting":
        return instructions.why_not()
    if need == "linux":
        return "" if sys.platform == "linux" else "its C side is written for Linux"
    return "" if sys.platform != "win32" else "needs a Unix"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
