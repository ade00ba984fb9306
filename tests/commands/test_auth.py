"""``kite auth`` in real processes, against a simulated exchange; each way's time is printed, none is asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kitecli.cli import app
from kitecli.secret import VARIABLES_OF_SECRETS, Secret
from kitecli.sim.launcher import SimProcess
from kitecli.vault import Vault, vault_path
from tests.auth.exchanges import browsing, exchange, free_port, log_in_by_paste, running, variables
from tests.commands.at_terminal import AtTerminal
from tests.terminal.qr_on_screen import cells_of, cells_on

__all__ = ["browsing", "exchange", "running", "variables"]

Run = Callable[..., subprocess.CompletedProcess[str]]
Kite = Callable[..., Result]
VAULT_PASSWORD = "a long enough password"


def leaks_nothing(text: str, variables: dict[str, str]) -> None:
    assert not [name for name in ("API_SECRET", "PASSWORD", "TOTP_SECRET") if variables[f"KITE_{name}"] in text]


@pytest.fixture
def kite(variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """``kite ARGUMENTS…`` in this process: an interpreter's start costs ten times what most commands do."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
        done = CliRunner().invoke(app, list(arguments), env={**variables, **(env or {})})
        leaks_nothing(done.stdout + done.stderr, variables)
        return done

    return run


@pytest.fixture
def kite_process(run_kite: Kite, variables: dict[str, str]) -> Run:
    def run(*arguments: str, env: dict[str, str] | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
        began_s = time.perf_counter()
        done = run_kite(*arguments, env={**variables, **(env or {})}, stdin=stdin)
        print(f"kite {' '.join(arguments)}: {time.perf_counter() - began_s:.2f} s")
        leaks_nothing(done.stdout + done.stderr, variables)
        return done

    return run


@pytest.fixture
def pasting(
    variables: dict[str, str], browsing: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple]:
    """``kite auth login --paste`` at a pipe, with a browser elsewhere; ``change`` makes what is pasted."""

    monkeypatch.chdir(tmp_path)
    return lambda change=str: log_in_by_paste({**os.environ, **variables}, {**os.environ, **browsing}, change)


def status_of(kite: Kite) -> dict:
    done = kite("auth", "status", "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_by_browser(kite: Kite, kite_process: Run, browsing: dict[str, str]):
    done = kite_process("auth", "login", env=browsing)
    assert done.returncode == 0, done.stderr
    assert "SIM001" in done.stdout
    found = status_of(kite)
    assert (found["user_id"], found["source"], found["market_data"]) == ("SIM001", "kite auth login", True)
    assert found["until"].endswith("06:00:00+05:30")
    assert 0 < found["remaining_s"] <= 86_400
    for asked in (("auth", "token"), ("auth", "token", "--json")):
        hidden = kite(*asked)
        assert (hidden.exit_code, hidden.stdout) == (2, "")
        assert "session-sim-" in hidden.stderr, "where it is kept"
    token = kite("auth", "token", "--stdout").stdout.strip()
    assert len(token) == 32
    assert kite("auth", "login", "--totp").exit_code == 0
    assert kite("auth", "token", "--stdout").stdout.strip() == token, "a session that lasts is used"


def test_by_paste_over_ssh(pasting: Callable[..., tuple], kite: Kite, kite_process: Run):
    code, out, err = pasting()
    assert code == 0, err
    assert "SIM001" in out
    assert "paste the address" in err
    assert kite("auth", "status").exit_code == 0
    alone = kite_process("auth", "login", "--again", env={"SSH_CONNECTION": "a", "BROWSER": ""}, stdin="\n")
    assert alone.returncode == 4
    assert "nothing was pasted" in alone.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
def test_over_ssh_the_address_stands_there_as_a_qr_code_too(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    for name, value in {**variables, "SSH_CONNECTION": "a", "BROWSER": "", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("COLUMNS")  # the terminal has a size of its own
    with AtTerminal("auth", "login", size=(24, 60)) as kite:
        kite.shows("press Enter:")
        wanted = cells_of(kite.seen[kite.seen.index("http") :].split()[0], margin=2)
        for _ in range(0, len(wanted), 2):
            kite.shows("\x1b[0m\r\n")
        kite.answer("", "")
        assert kite.ends() == 4
    assert cells_on(kite.seen) == wanted
    assert "nothing was pasted" in kite.seen


def test_by_password_and_code(kite: Kite, kite_process: Run):
    done = kite_process("auth", "login", "--totp")
    assert done.returncode == 0, done.stderr
    assert "neither recommended nor supported" in done.stderr
    again = kite("auth", "login", "--totp", "--again")
    assert again.exit_code == 0
    assert "neither" not in again.stderr, "it is said once"


def test_at_a_simulated_exchange_of_its_own_with_no_account(run_kite: Kite, tmp_path: Path, browsing: dict[str, str]):
    """The user reads name and password on the page itself."""
    env = {
        "KITE_RUNTIME_DIR": str(tmp_path / "run"),
        "KITE_REDIRECT_URL": f"http://127.0.0.1:{free_port()}/kite",
        "BROWSER": browsing["BROWSER"],
        "SIM_LOGIN": "",
    }
    done = run_kite("auth", "login", "--sim", "--json", env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["user_id"] == "SIM001"
    assert "for this login only" in done.stderr
    assert not list((tmp_path / "run").glob("session-*")), "it ends with its exchange"
    nobody = run_kite("auth", "status", "--sim", env=env)
    assert (nobody.returncode, "No simulated exchange" in nobody.stderr) == (4, True)


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        ({"KITE_PASSWORD": "wrong-one"}, 41, "refused user ID or password"),
        ({"KITE_TOTP_SECRET": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}, 42, "authenticator's code"),
        ({"KITE_API_SECRET": "another"}, 44, "api_secret isn't this app's"),
        ({"KITE_TOTP_SECRET": "no base32!"}, 4, "totp_secret is none"),
        ({"KITE_API_KEY": "keyofnoapp"}, 7, "no login page for this app"),
        ({"KITE_API_SECRET": ""}, 4, "developers.kite.trade"),
    ],
)
def test_each_refusal_has_its_message_and_code(kite: Kite, wrong: dict[str, str], code: int, said: str):
    done = kite("auth", "login", "--totp", env=wrong)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr
    assert not [value for value in wrong.values() if value and value in done.stderr]
    retried = kite("auth", "login", "--totp")
    assert retried.exit_code == (47 if code in (41, 42) else 0), "no second try where the broker counts them"
    assert kite("auth", "login", "--totp", "--retry").exit_code == 0


def test_a_request_token_works_once(pasting: Callable[..., tuple], exchange: SimProcess):
    used: list[str] = []
    assert pasting(lambda address: used.append(address) or address)[0] == 0
    token = used[0].partition("request_token=")[2].partition("&")[0]
    exchange.renew_token()  # the session is over, and the same request token is pasted again
    code, _, err = pasting(lambda _: token)
    assert code == 43
    assert "works one time" in err


def test_a_user_who_is_not_linked(kite: Kite, exchange: SimProcess):
    exchange.change_app(linked=False)
    done = kite("auth", "login", "--totp", "--json")
    refusal = json.loads(done.stderr.splitlines()[-1])
    assert (done.exit_code, refusal["error"], refusal["exit_code"]) == (45, "user-not-linked", 45)


def test_a_plan_without_market_data_is_said_and_the_session_kept(kite: Kite, exchange: SimProcess):
    exchange.change_app(market_data=False)
    done = kite("auth", "login", "--totp")
    assert done.exit_code == 46
    assert "the app's plan has none" in done.stdout
    status = kite("auth", "status", "--json")
    assert (status.exit_code, json.loads(status.stdout)["market_data"]) == (46, False)
    exchange.change_app(market_data=True)
    assert status_of(kite)["market_data"] is True


def test_another_login_is_explained_and_a_logout_ends_all(kite: Kite, exchange: SimProcess, variables: dict[str, str]):
    assert kite("auth", "login", "--totp").exit_code == 0
    exchange.renew_token()
    ended = kite("auth", "status")
    assert ended.exit_code == 4
    assert "login" in ended.stderr
    assert kite("auth", "login", "--totp").exit_code == 0
    token = kite("auth", "token", "--stdout").stdout.strip()
    assert kite("auth", "logout").exit_code == 0
    assert not list(Path(variables["KITE_RUNTIME_DIR"]).glob("session-*"))
    refused = kite("auth", "status", env={"KITE_ACCESS_TOKEN": token})
    assert refused.exit_code == 4, "at the broker, too"
    for verb in ("status", "logout", "token"):
        assert kite("auth", verb).exit_code == 4


def test_a_token_in_the_environment_goes_first_and_that_is_said(kite: Kite, exchange: SimProcess):
    given = {"KITE_ACCESS_TOKEN": exchange.access_token}
    assert json.loads(kite("auth", "status", "--json", env=given).stdout)["source"] == "KITE_ACCESS_TOKEN"
    done = kite("auth", "login", "--totp", env=given)
    assert "KITE_ACCESS_TOKEN is set" in done.stderr


def test_two_ways_at_once_are_none(kite: Kite):
    assert kite("auth", "login", "--paste", "--totp").exit_code == 2


@pytest.fixture
def at_a_desk(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The credentials stand in a vault and nowhere else, and no keyring opens it."""
    monkeypatch.chdir(tmp_path)
    secrets = {name: value for name, value in variables.items() if name in VARIABLES_OF_SECRETS}
    for name, value in variables.items():
        monkeypatch.setenv(name, "" if name in secrets else value)
    with Vault(vault_path("sim")).create(Secret(VAULT_PASSWORD)) as vault:
        vault.update({name.removeprefix("KITE_").lower(): Secret(value) for name, value in secrets.items()})


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
def test_the_vaults_password_is_asked_for_once_a_day_and_feeds_use_the_session(at_a_desk: None):
    with AtTerminal("auth", "login", "--totp") as first:
        first.answer("Password of the vault", VAULT_PASSWORD)
        assert first.ends() == 0, first.seen
    for later in (("auth", "login", "--totp"), ("feed", "NSE:INFY", "--duration", "1", "--json")):
        with AtTerminal(*later) as kite:
            assert kite.ends() == 0, kite.seen
        assert "Password" not in kite.seen
    assert "ticks in" in kite.seen


def test_a_vault_that_nothing_opens_is_said_and_not_how_to_begin(at_a_desk: None):
    done = CliRunner().invoke(app, ["auth", "login", "--totp"], input="")
    assert done.exit_code == 4
    assert "KITE_VAULT_FD" in done.stderr
    assert "developers.kite.trade" not in done.stderr
