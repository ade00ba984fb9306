"""What an install gets: the defaults, the types, and a kite that works with and without a compiler.

The wheels are built from a copy without network (setuptools and Cython come from the development extra) and unpacked
into a folder of their own, from which kite runs in an empty folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
PARTS = ("kitecli", "config", "pyproject.toml", "setup.py", "README.md", "LICENSE")
DEFAULTS = {"default.yaml", "config.yaml.example", "env.example", "endpoints.yaml", "limits.yaml"}

pytestmark = [
    pytest.mark.wheels,
    pytest.mark.skipif(not (CHECKOUT / "setup.py").is_file(), reason="needs a checkout"),
]


def build(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    source = folder / "source"
    source.mkdir(parents=True)
    skip = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd", "_hot.c", "_scan.c", "_log.c", "config.yaml")
    for part in PARTS:
        path = CHECKOUT / part
        if path.is_dir():
            shutil.copytree(path, source / part, ignore=skip)
        else:
            shutil.copy(path, source)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    clean = {name: value for name, value in os.environ.items() if name not in {"KITE_PURE", "KITE_REQUIRE_C"}}
    return subprocess.run(
        [*command, str(source)], env={**clean, **env}, capture_output=True, text=True, timeout=300, check=False
    )


def unpacked(folder: Path) -> tuple[str, Path]:
    """The wheel's name and the folder it was unpacked into."""
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return wheel.name, target


def kite(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    empty = site.parent / "empty"
    empty.mkdir(exist_ok=True)
    env = {name: value for name, value in os.environ.items() if name != "KITE_PURE"}
    return subprocess.run(
        [sys.executable, "-m", "kitecli", *arguments],
        cwd=empty,
        env={**env, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def compiled_row(site: Path) -> dict[str, str]:
    checks = json.loads(kite(site, "doctor", "--json").stdout)["checks"]
    return next(check for check in checks if check["name"] == "compiled pass")


@pytest.fixture(scope="module")
def without_compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("without-compiler")
    built = build(folder, CC="/bin/false")
    assert built.returncode == 0, built.stderr
    return unpacked(folder)[1]


def test_the_wheel_holds_defaults_profiles_and_types(without_compiler: Path):
    shipped = {path.name for path in (without_compiler / "kitecli" / "defaults").iterdir()}
    assert shipped >= DEFAULTS | {"profile-maximum-speed.yaml", "profile-memory-efficiency.yaml"}
    calendars = {path.name for path in (without_compiler / "kitecli" / "defaults" / "calendars").iterdir()}
    assert calendars >= {"hours.yaml", "2024.yaml", "2025.yaml", "2026.yaml"}
    assert (without_compiler / "kitecli" / "py.typed").is_file()
    assert not (without_compiler / "config").exists()


def test_installed_elsewhere_it_reads_its_own_defaults(without_compiler: Path):
    shown = kite(without_compiler, "--profile", "memory-efficiency", "config", "show", "--json")
    ring = json.loads(shown.stdout)["settings"]["performance.ring_buffer_size"]
    assert ring["origin"].startswith(f"profile {without_compiler}")
    assert kite(without_compiler, "init").returncode == 0
    assert kite(without_compiler, "calendar", "2026-11-24").stdout.startswith("NSE\tclosed")


def test_without_a_compiler_it_installs_and_doctor_says_so(without_compiler: Path):
    row = compiled_row(without_compiler)
    assert row["state"] == "warn"
    assert "the reference serves" in row["found"]


def test_where_a_compiler_is_required_its_absence_is_an_error(tmp_path: Path):
    assert build(tmp_path, CC="/bin/false", KITE_REQUIRE_C="1").returncode != 0


def test_pure_builds_a_wheel_for_any_platform(tmp_path: Path):
    built = build(tmp_path, KITE_PURE="1")
    assert built.returncode == 0, built.stderr
    assert unpacked(tmp_path)[0].endswith("-py3-none-any.whl")


@pytest.mark.skipif(shutil.which("gcc") is None and shutil.which("clang") is None, reason="needs a C compiler")
def test_with_a_compiler_the_wheel_is_for_this_python_and_carries_the_pass(tmp_path: Path):
    built = build(tmp_path, KITE_REQUIRE_C="1")
    assert built.returncode == 0, built.stderr
    name, site = unpacked(tmp_path)
    assert f"-cp3{sys.version_info.minor}-" in name
    assert compiled_row(site)["state"] == "ok"
