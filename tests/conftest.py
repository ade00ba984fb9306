"""What all tests share: an environment without the user's settings, the real market data, and two ways to run kite."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from tests.alerts.receiving import Receiver, receiving

CHECKOUT = Path(__file__).resolve().parent.parent
# What decides how the suite itself runs stays; everything else of ours would be somebody's own settings.
OF_THE_SUITE = {"KITE_PURE", "KITE_REQUIRE_C", "KITE_MARKET_DATA"}

# A shell's background job ignores Ctrl-C, and so would all we start: what a process ignores, its children do too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Deadlines measure the machine, and ours is shared.
hypothesis_settings.register_profile("kite", deadline=None, print_blob=True)
hypothesis_settings.load_profile("kite")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("timing") and sys.gettrace() is not None:
        pytest.skip("coverage is being measured, and no duration means anything")


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - OF_THE_SUITE:
            if name.startswith("KITE_"):
                patch.delenv(name)
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config-home")))
        patch.setenv("APPDATA", os.environ["XDG_CONFIG_HOME"])
        patch.setenv("KITE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        patch.setenv("KITE_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))  # where a developer's session may be
        patch.setenv("COLUMNS", "120")
        yield


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The folder of recorded market data. The exchanges own it, so it is never part of the project."""
    folder = Path(os.environ.get("KITE_MARKET_DATA") or CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("needs recorded market data: set KITE_MARKET_DATA to its folder")
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounting = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if sys.platform != "linux" or os.getuid() != 0 or subprocess.run(mounting, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web server that alerts can be sent to."""
    with receiving() as server:
        yield server


@pytest.fixture
def run_kite(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``kite ARGUMENTS…`` as a process of its own in an empty folder; stdin is empty unless given."""

    def run(
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path = tmp_path,
        stdin: str = "",
        timeout_s: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kitecli", *arguments],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    return run
