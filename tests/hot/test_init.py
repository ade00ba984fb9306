"""Which pass serves: the compiled one where it was built, the references where it wasn't or isn't wanted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kitecli.hot
from tests.ring.implementations import needs_compiled

SHOW = (
    "from kitecli.hot import COMPILED, WHY_NOT, FramePass, RingView;"
    "print(COMPILED, FramePass.__module__, RingView.__module__, WHY_NOT, sep='|')"
)
PURE = ["False", "kitecli.hot.uncompiled", "kitecli.ring.view"]


def serving(package: Path | None = None, **environment: str) -> list[str]:
    """COMPILED, the modules of FramePass and RingView, and WHY_NOT, of a fresh interpreter."""
    path = {"PYTHONPATH": str(package)} if package else {}
    kept = {name: value for name, value in os.environ.items() if name != "KITE_PURE"}
    shown = subprocess.run(
        [sys.executable, "-c", SHOW],
        env={**kept, **path, **environment},
        cwd=package,
        capture_output=True,
        text=True,
        check=True,
    )
    return shown.stdout.strip().split("|")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package without its built extension, but with the sources."""
    source = Path(kitecli.hot.__file__).parent.parent
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd", "*.c")
    shutil.copytree(source, tmp_path / "kitecli", ignore=ignored)
    return tmp_path


@pytest.mark.skipif(os.environ.get("KITE_REQUIRE_C") != "1", reason="KITE_REQUIRE_C=1 demands the compiled pass")
def test_where_it_is_demanded_the_compiled_pass_is_there():
    """Or the tests of the compiled pass would be skipped where they are wanted most."""
    assert kitecli.hot.COMPILED, kitecli.hot.WHY_NOT


@needs_compiled
def test_the_built_extension_serves():
    assert serving() == ["True", "kitecli.hot._hot", "kitecli.hot._hot", ""]


def test_kite_pure_asks_for_the_references():
    assert serving(KITE_PURE="1") == [*PURE, "KITE_PURE=1 asks for pure Python"]


def test_without_an_extension_the_references_serve_and_say_why(copy: Path):
    *found, why = serving(copy)
    assert found == PURE
    assert why.startswith("the compiled extension is missing or broken: No module named")


def test_a_broken_extension_doesn_t_break_kite(copy: Path):
    suffix = next(suffix for suffix in _suffixes())
    (copy / "kitecli" / "hot" / f"_hot{suffix}").write_bytes(b"\x7fELF, but not really")
    *found, why = serving(copy)
    assert found == PURE
    assert "missing or broken" in why


def _suffixes() -> list[str]:
    from importlib.machinery import EXTENSION_SUFFIXES

    return EXTENSION_SUFFIXES
