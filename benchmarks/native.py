"""Compiles the benchmarks' C files with the flags the product's extension is built with (setup.py)."""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
HOT: Final = HERE.parent / "kitecli" / "hot"
STORE: Final = HERE.parent / "kitecli" / "store"
BUILD: Final = HERE.parent / "build" / "benchmarks"
FLAGS: Final = ("-O3", "-fno-strict-aliasing", "-fPIC", "-Wall", "-Wextra", "-Wno-unused-function")
# What the extension doesn't do either: no -march=native, a wheel must run on any machine of its kind.


def compiler() -> str | None:
    """The C compiler's path, or None where there is none."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def compiler_version() -> str:
    cc = compiler()
    if cc is None:
        return "none"
    return subprocess.run([cc, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def library(name: str) -> ctypes.CDLL:
    """``name``.c as a library of this process; compiled again only when it or a header has changed."""
    return ctypes.CDLL(str(_built(name, ".so", "-shared")))


def program(name: str) -> Path:
    """``name``.c as a program."""
    return _built(name, "")


def _built(name: str, suffix: str, *flags: str) -> Path:
    cc = compiler()
    if cc is None:
        raise RuntimeError("no C compiler")
    sources = [HERE / f"{name}.c", *(header for folder in (HERE, HOT, STORE) for header in sorted(folder.glob("*.h")))]
    mark = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    made = BUILD / f"{name}-{mark}{suffix}"
    if not made.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        fresh = made.with_name(f"{made.name}.new")
        command = [cc, *FLAGS, *flags, f"-I{HOT}", f"-I{STORE}", "-o", str(fresh), str(sources[0])]
        subprocess.run(command, check=True)
        fresh.rename(made)
    return made
