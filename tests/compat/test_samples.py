"""Scripts in the shape of the official samples print the same over both clients; the samples themselves run, too."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions

SAMPLE = Path(__file__).with_name("sample.py")
CLIENTS = ("kiteconnect", "kitecli.compat")


@pytest.fixture(scope="module")
def exchange():
    with launch(SimOptions(instruments=300, rate=10, rate_limits=False)) as sim:
        yield sim


def start(exchange: SimProcess, tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    own = {
        "SAMPLE_KEY": exchange.api_key,
        "SAMPLE_TOKEN": exchange.access_token,
        "SAMPLE_ROOT": exchange.ws_url,
        "KITE_RUNTIME_DIR": str(tmp_path / "run"),
    }
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | own,
    )


@pytest.mark.skipif(importlib.util.find_spec("kiteconnect") is None, reason="kiteconnect isn't installed")
@pytest.mark.parametrize("shape", ["blocking", "threaded"])
def test_both_clients_print_the_same(exchange: SimProcess, tmp_path: Path, shape: str):
    running = [start(exchange, tmp_path, str(SAMPLE), client, shape) for client in CLIENTS]
    official, ours = (process.communicate(timeout=60)[0].splitlines() for process in running)
    assert [process.returncode for process in running] == [0, 0]
    # What the reactor says of its own stop is no line of the script's.
    assert sorted(ours) == sorted(line for line in official if not line.startswith("Connection "))
    assert ours[:2] == official[:2]
    assert sum(line.startswith("tick") for line in ours) >= 2


def official_samples() -> list[Path]:
    """The samples beside a kiteconnect that is installed from its repository; a wheel has none."""
    found = importlib.util.find_spec("kiteconnect")
    folder = Path(str(found.origin)).parent.parent / "examples" if found else Path("nowhere")
    return [path for path in (folder / "ticker.py", folder / "threaded_ticker.py") if path.is_file()]


@pytest.mark.parametrize("client", CLIENTS)
def test_the_official_samples_run_unedited(exchange: SimProcess, tmp_path: Path, client: str):
    samples = official_samples()
    if not samples:
        pytest.skip("the installed kiteconnect comes without its samples")
    for sample in samples:
        text = sample.read_text().replace("from kiteconnect import", f"from {client} import")
        text = text.replace("your_api_key", exchange.api_key)
        text = text.replace('"your_access_token"', f'"{exchange.access_token}", root="{exchange.ws_url}"')
        script = tmp_path / sample.name
        script.write_text(text)
        process = start(exchange, tmp_path, str(script))
        lines = []
        deadline = time.monotonic() + 30
        while not any("mode" in line for line in lines) and time.monotonic() < deadline:
            lines.append(process.stdout.readline())
        process.kill()
        process.communicate()
        assert any("full" in line or "quote" in line for line in lines), lines
