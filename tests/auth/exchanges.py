"""A simulated exchange with a login page, and kite told of it as of a broker. See conftest.py."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions

HERE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def variables_of(sim: SimProcess, folder: Path) -> dict[str, str]:
    """The environment of a user of this exchange, with nothing but his credentials."""
    ready = sim.ready
    return {
        "KITE_ENVIRONMENT": "sim",
        "KITE_API_ROOT": ready.api_url,
        "KITE_WS_ROOT": ready.ws_url,
        "KITE_REDIRECT_URL": ready.redirect_url,
        "KITE_RUNTIME_DIR": str(folder / "run"),
        "KITE_DATA_DIR": str(folder / "data"),
        "KITE_API_KEY": ready.api_key,
        "KITE_API_SECRET": ready.api_secret,
        "KITE_USER_ID": ready.user_id,
        "KITE_PASSWORD": ready.password,
        "KITE_TOTP_SECRET": ready.totp_secret,
    }


@pytest.fixture(scope="module")
def running() -> Iterator[SimProcess]:
    """One exchange for all tests of a file; the pace of people is none of theirs."""
    redirect_url = f"http://127.0.0.1:{free_port()}/kite"
    with launch(SimOptions(instruments=5, rate_limits=False, redirect_url=redirect_url)) as sim:
        yield sim


@pytest.fixture
def exchange(running: SimProcess) -> SimProcess:
    running.change_app(linked=True, market_data=True)
    running.renew_token()
    return running


@pytest.fixture
def variables(exchange: SimProcess, tmp_path: Path) -> dict[str, str]:
    return variables_of(exchange, tmp_path)


@pytest.fixture
def browsing(exchange: SimProcess) -> dict[str, str]:
    """What makes ``webbrowser`` open the scripted one."""
    ready = exchange.ready
    return {
        "BROWSER": f"{sys.executable} {HERE / 'fake_browser.py'} %s",
        "SIM_LOGIN": f"{ready.user_id},{ready.password},{ready.totp_secret}",
    }


def log_in_by_paste(
    environ: Mapping[str, str], elsewhere: Mapping[str, str], change: Callable[[str], str] = str, *options: str
) -> tuple[int, str, str]:
    """``kite auth login --paste`` at a pipe, the scripted browser in an environment of its own, ``elsewhere``.

    ``change`` makes what is pasted. Returns exit code, stdout and stderr.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "kitecli", "auth", "login", "--paste", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    )
    with process:
        said = ""
        while "Enter" not in said:  # all of it: what a pipe's file has read ahead, communicate() doesn't see
            line = process.stderr.readline()
            assert line, said
            said += line
        page = said[said.index("http") :].split()[0]
        script = [sys.executable, str(HERE / "fake_browser.py"), "--stop", page]
        ended = subprocess.run(script, env=elsewhere, capture_output=True, text=True, check=True)
        out, err = process.communicate(change(ended.stdout), timeout=60)
    return process.returncode, out, said + err
