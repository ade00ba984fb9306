"""A simulated exchange with a login page, and kite told of it as of a broker. See conftest.py."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
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
