"""Builds the compiled pass; everything else about the package stands in pyproject.toml.

``KITE_PURE=1``       skips the extension.
``KITE_REQUIRE_C=1``  makes a failed build an error (wheel jobs, CI).
Otherwise a machine without a compiler gets the pure-Python reference, and ``kite doctor`` says so.
"""

import os
import sys
import sysconfig

from setuptools import Extension, setup

PURE = os.environ.get("KITE_PURE") == "1"
REQUIRE_C = os.environ.get("KITE_REQUIRE_C") == "1"
# One wheel for 3.11 and later; free-threaded builds have no limited API before 3.15.
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


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
                "kitecli.hot._hot",
                ["kitecli/hot/_hot.pyx"],
                depends=["kitecli/hot/pass.h", "kitecli/hot/portable.h"],
                include_dirs=["kitecli/hot"],
                define_macros=[] if FREE_THREADED else [("Py_LIMITED_API", "0x030B0000")],
                py_limited_api=not FREE_THREADED,
                extra_compile_args=["/O2"] if windows else ["-O3", "-fno-strict-aliasing"],
            )
        ],
        compiler_directives={"language_level": 3, "boundscheck": True, "embedsignature": True},
    )
    for extension in built:  # cythonize() rebuilds the objects and loses `optional`
        extension.optional = not REQUIRE_C
    return built


setup(
    ext_modules=extensions(),
    options={} if FREE_THREADED or PURE else {"bdist_wheel": {"py_limited_api": "cp311"}},
)
