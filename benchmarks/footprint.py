"""What an installation takes and how soon it does something: packages, megabytes, cold start; kiteconnect's beside.

Nothing is installed for it: the packages and their files are those of this environment, found through their own
metadata, so kite's are what `pip install kitecli` brings, kiteconnect among them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import distribution, requires
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

import kitecli
from measure import Cost, Scale
from report import Grid, Line, Row, Table, times
from startup import timed

_CACHES: Final = (".pyc", ".pyo")
STARTS: Final = {
    "kite --help": "import sys; sys.argv = ['kite', '--help']; from kitecli.cli import main; main()",
    "from kitecli import open_feed": "from kitecli import open_feed",
    "from kiteconnect import KiteTicker": "from kiteconnect import KiteTicker",
    "python -c pass": "pass",
}
_PEER: Final = "from kiteconnect import KiteTicker"
_MS: Final = 1e6


def run(scale: Scale) -> list[Table | Grid]:
    return [_installed(), _cold(scale)]


def _installed() -> Grid:
    ours, theirs = closure("kitecli"), closure("kiteconnect")
    lines = [
        Line("pip install kitecli", _figures(ours)),
        Line("pip install kiteconnect, which kite asks for REST", _figures(theirs)),
        Line("what kite adds to it", _figures(ours - theirs)),
        Line("kite itself", _figures({"kitecli"})),
    ]
    notes = (
        "bytes of the files the packages installed, without bytecode",
        f"of kite's additions the largest: {', '.join(_largest(ours - theirs))}",
    )
    return Grid("footprint", "Installed", ("packages", "MB"), lines, notes)


def _figures(names: set[str]) -> tuple[str, str]:
    return str(len(names)), f"{sum(map(installed_bytes, names)) / 1e6:.1f}"


def _largest(names: set[str]) -> list[str]:
    ranked = sorted(names, key=installed_bytes, reverse=True)[:3]
    return [f"{name} {installed_bytes(name) / 1e6:.1f} MB" for name in ranked]


def closure(name: str) -> set[str]:
    """The package and all it asks for here, extras aside, by their normal names."""
    found, left = set[str](), [name]
    while left:
        normal = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if normal in found:
            continue
        found.add(normal)
        left += [asked.name for line in requires(normal) or () if _applies(asked := Requirement(line))]
    return found


def _applies(asked: Requirement) -> bool:
    """Whether it is asked for on this machine, without any extra."""
    return asked.marker is None or asked.marker.evaluate({"extra": ""})


def installed_bytes(name: str) -> int:
    """What its files take on disk; kite's own are counted where they stand, as an editable install lists none."""
    if name == "kitecli":
        own = (path for path in Path(kitecli.__file__).parent.rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in own if path.suffix not in (*_CACHES, ".c"))
    files = (Path(str(file.locate())) for file in distribution(name).files or () if file.suffix not in _CACHES)
    return sum(path.stat().st_size for path in files if path.exists())


def _cold(scale: Scale) -> Table:
    costs = {name: Cost() for name in STARTS}
    rounds, warm = scale.pick((15, 1), (4, 1), (1, 0))  # the first writes the bytecode and fills the page cache
    for number in range(warm + rounds):
        for name, code in STARTS.items():
            figures = timed(_started(code))
            if number >= warm:
                costs[name].add(*figures)
    peer = [figure / _MS for figure in costs[_PEER].per(1)]
    rows = []
    for name in STARTS:
        wall, cpu = (figure / _MS for figure in costs[name].per(1))
        rows.append(Row(name, wall, cpu, *peer, times(cpu, peer[1])))
    notes = ("CPU time is compared",)
    return Table("footprint", "Cold start, a fresh process", "ms", "import kiteconnect", rows, notes)


def _started(code: str) -> Callable[[], object]:
    return partial(subprocess.run, [sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
