"""Builds the compiled pass, reading of masters and log of recordings; everything else stands in pyproject.toml.

``KITE_PURE=1``       skips them.
``KITE_REQUIRE_C=1``  makes a failed build an error (wheel jobs, CI).
Otherwise a machine without a compiler gets the pure-Python reference, and ``kite doctor`` says so.

They are built for one Python version, not for the stable ABI: a call through that costs 250-600 ns where this
costs 65-110 (docs/adr/0002), and a live feed makes one call per frame.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

PURE = os.environ.get("KITE_PURE") == "1"
REQUIRE_C = os.environ.get("KITE_REQUIRE_C") == "1"
COMPILED = (
    ("hot", "_hot", ("_hot.pxd", *sorted(path.name for path in Path("kitecli/hot").glob("*.h")))),
    ("market", "_scan", ("scan.h",)),
    ("store", "_log", ("crc.h", "log.h", "pack.h", "../hot/portable.h")),
)


def extensions() -> list[Extension]:
    if PURE:
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        if REQUIRE_C:
            raise
        print("kitecli: Cython is missing, installing without the compiled pass", file=sys.stderr)
        return []
    windows = sys.platform == "win32"
    built = cythonize(
        [
            Extension(
                f"kitecli.{package}.{module}",
                [f"kitecli/{package}/{module}.pyx"],
                depends=[f"kitecli/{package}/{name}" for name in headers],
                include_dirs=[f"kitecli/{package}", "kitecli/hot"],
                extra_compile_args=["/O2"] if windows else ["-O3", "-fno-strict-aliasing"],
            )
            for package, module, headers in COMPILED
        ],
        compiler_directives={"language_level": 3, "boundscheck": True, "embedsignature": True},
    )
    for extension in built:  # cythonize() rebuilds the objects and loses `optional`
        extension.optional = not REQUIRE_C
    return built


setup(ext_modules=extensions())
