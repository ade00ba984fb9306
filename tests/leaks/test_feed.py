"""A day with a feed: its control socket, its recording, its death. Servers that can't be trusted. Defects of ours.

Secrets come from the environment or from a vault; an exchange's real ones are the canaries.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from kitecli.hot import COMPILED
from kitecli.secret import VARIABLES_OF_SECRETS
from kitecli.sim.faults.kinds import BAD_TLS
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions
from tests.auth.exchanges import free_port, variables_of
from tests.leaks.canaries import CANARIES, PASSWORD, Hit, Seen, Watched, leaks, of_the_session
from tests.leaks.socket_talk import everything, said_by

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

OF_THE_BROKER: Final = {"api_key", "user_id"}
"""The address of the broker's login page carries them."""
MANNERS: Final = {"plain": ((), "0"), "json": (("--json",), "0"), "debug": ((), "1")}
KEPT_IN: Final = ("environment", "vault")
OFFERED: Final = "canary0offered0token0Qq41"
ALERTED: Final = {
    "KITE_ALERTS_CHANNELS": "[webhook, telegram]",
    "KITE_ALERTS_TELEGRAM_CHAT": "42",
    "KITE_ALERTS_TELEGRAM_ROOT": "https://127.0.0.1:9",
    "KITE_TELEGRAM_TOKEN": CANARIES["telegram_token"],
    "KITE_WEBHOOK_URL": f"https://127.0.0.1:9/{CANARIES['webhook_url']}",
}
"""The feed's process is told these, and its alerts arrive nowhere."""


@pytest.fixture(scope="module")
def sim() -> Iterator[SimProcess]:
    """Its certificate is good until a fault makes it another."""
    redirect_url = f"http://127.0.0.1:{free_port()}/kite"
    options = SimOptions(
        instruments=5, rate=5, rate_limits=False, faults="{version: 1, tls: good}", redirect_url=redirect_url
    )
    with launch(options) as running:
        yield running


class Account:
    """Kite below a folder of its own, with the exchange's credentials ``kept_in`` the environment or a vault."""

    def __init__(self, folder: Path, sim: SimProcess, kept_in: str, manner: str) -> None:
        self.kite = Watched(folder)
        self.options, debug = MANNERS[manner]
        self.environ = {name: value for name, value in variables_of(sim, folder).items() if "_DIR" not in name}
        self.environ |= {"KITE_DEBUG": debug, "SSL_CERT_FILE": sim.ready.ca_file}
        self.environ |= {"KITE_PERFORMANCE_RING_BUFFER_SIZE": "1024"}  # it is searched as a file, too
        self.environ |= ALERTED
        self._password = ""
        if kept_in == "vault":
            self._into_vault()

    def _into_vault(self) -> None:
        secrets = {name: self.environ.pop(name) for name in VARIABLES_OF_SECRETS if name in self.environ}
        lines = "".join(f"{name}={value}\n" for name, value in secrets.items())
        made = self.kite.run("creds", "setup", password=PASSWORD, stdin=lines, environ=self.environ)
        assert (made.exit_code, leaks(made)) == (0, [])
        self._password = PASSWORD

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Seen:
        return self.kite.run(*arguments, password=self._password, environ=self.environ | dict(environ or {}))

    def crash(self, defect: str, *arguments: str) -> Seen:
        program = (sys.executable, "-c", f"{defect}\nfrom kitecli.__main__ import main\nmain()")
        return self.kite.run(*arguments, password=self._password, environ=self.environ, program=program)

    def log_in(self, patch: pytest.MonkeyPatch) -> Seen:
        seen = self.run("auth", "login", "--totp")
        assert seen.exit_code == 0, seen.text("stderr")
        [session] = (self.kite.folder / "runtime").glob("session-*")
        patch.setitem(CANARIES, "access_token", json.loads(session.read_text())["access_token"])
        return seen


@pytest.fixture
def accounts(tmp_path: Path, sim: SimProcess, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Account]:
    sim.fault("tls", form="good", where="both")  # whatever the test before left of bad ones
    numbers = itertools.count()
    for name in ("api_secret", "password", "totp_secret"):
        monkeypatch.setitem(CANARIES, name, getattr(sim.ready, name))
    monkeypatch.setitem(CANARIES, "offered token", OFFERED)

    def make(kept_in: str, manner: str) -> Account:
        folder = tmp_path / f"{next(numbers)}"
        folder.mkdir()
        return Account(folder, sim, kept_in, manner)

    return make


def found(seen: Seen) -> list[Hit]:
    return leaks(seen, lambda hit: hit.secret in OF_THE_BROKER or of_the_session(hit))


# --- a feed ---


def card_of(account: Account) -> dict[str, object]:
    [path] = (account.kite.folder / "runtime").glob("feed-*.json")
    card = json.loads(path.read_text())
    assert isinstance(card, dict)
    return card


def heard(account: Account) -> Seen:
    """What the feed says to a client, and what /proc says of the feed."""
    seen, card = Seen(), card_of(account)
    seen.add("socket", "", said_by(Path(str(card["socket"])), everything(OFFERED)))
    for name in ("cmdline", "environ"):
        seen.add(name, "gateway", Path(f"/proc/{card['pid']}/{name}").read_bytes())
    assert b"KITE_RUNTIME_DIR" in seen.content("environ")
    return seen


def day(account: Account, sim: SimProcess, patch: pytest.MonkeyPatch) -> Iterator[tuple[str, Seen]]:
    """Each step of a feed's day, until it was killed and everything is stopped."""
    yield "login", account.log_in(patch)
    began = account.run("feed", "--daemon", "NSE:INFY", *account.options)
    assert began.exit_code == 0, began.text("stderr")
    yield "feed", began
    recorded = account.run("record", "NSE:INFY", "--duration", "1", *account.options)
    assert recorded.exit_code == 0, recorded.text("stderr")
    assert any("recordings" in path for path in recorded.places("file")), recorded.places("file")
    yield "record", recorded
    yield "socket", heard(account)
    sim.renew_token()
    sim.fault("rst")
    yield "refused", account.run("status", *account.options)
    yield "stats", heard(account)
    os.kill(int(str(card_of(account)["pid"])), signal.SIGKILL)
    for verb in (("status",), ("doctor",), ("auth", "status")):
        yield f"{verb[-1]} after a kill", account.run(*verb, *account.options)
    yield "login again", account.log_in(patch)
    yield "feed again", account.run("feed", "NSE:INFY", "--duration", "1", *account.options)
    yield "logout", account.run("auth", "logout", *account.options)


@pytest.mark.skipif(not COMPILED, reason="a feed in the background needs the compiled pass")
def test_nothing_leaks_on_a_control_socket(accounts, monkeypatch: pytest.MonkeyPatch):
    account = accounts("environment", "debug")
    account.log_in(monkeypatch)
    began = account.run("feed", "--daemon", "NSE:INFY")
    assert b"kitecli.gateway" in began.content("argv")
    assert b"KITE_RUNTIME_DIR" in began.content("environ"), "its process was looked at, too"
    try:
        assert found(began) == found(heard(account)) == []
    finally:
        account.run("stop", "--all")


@pytest.mark.soak
@pytest.mark.skipif(not COMPILED, reason="a feed in the background needs the compiled pass")
@pytest.mark.parametrize(("kept_in", "manner"), list(itertools.product(KEPT_IN, MANNERS)))
def test_nothing_leaks_from_a_feed(accounts, sim: SimProcess, kept_in: str, manner: str, monkeypatch):
    account, steps = accounts(kept_in, manner), 0
    try:
        for name, seen in day(account, sim, monkeypatch):
            assert found(seen) == [], name
            steps += 1
    finally:
        account.run("stop", "--all")
    print(f"\n{steps} scenarios of a feed's day, {kept_in}, {manner}: 0 leaks")


# --- servers that can't be trusted ---

TALKING: Final = (
    ("auth", "login", "--totp", "--again"),
    ("auth", "status"),
    ("auth", "logout"),
    ("doctor", "--online"),
    ("feed", "NSE:INFY", "--duration", "1"),
    ("data", "download", "NSE:INFY", "--from", "2026-11-02"),
)


@pytest.mark.parametrize(
    ("kept_in", "manner", "forms"),
    [
        ("environment", "debug", ("unknown_ca",)),
        *(
            pytest.param(kept_in, manner, BAD_TLS, marks=pytest.mark.soak)
            for kept_in, manner in itertools.product(KEPT_IN, ("plain", "debug"))
        ),
    ],
)
def test_nothing_leaks_to_servers_that_can_t_be_trusted(
    accounts, sim: SimProcess, kept_in: str, manner: str, forms: tuple[str, ...], monkeypatch
):
    account, scenarios = accounts(kept_in, manner), 0
    if len(forms) > 1:
        account.log_in(monkeypatch)
    for form in forms:
        for verb in TALKING if len(forms) > 1 else TALKING[:1]:
            sim.fault("tls", form=form, count=20, where="both")
            seen = account.run(*verb)
            assert found(seen) == [], (form, verb)
            scenarios += 1
    assert seen.exit_code != 0, "nothing was trusted"
    print(f"\n{scenarios} scenarios of servers nobody can trust, {kept_in}, {manner}: 0 leaks")


# --- defects ---

TELLING: Final = """
from kitecli.secret import MASK, Secret
def told(value):
    value = getattr(value, "access_token", value)
    return value.reveal() if isinstance(value, Secret) else str(value)
def odd(*given, **named):
    raise RuntimeError(" ".join(told(one) for one in [*given, *named.values()]))
"""
"""A function that fails and quotes, in the open, whatever it was called with."""
DEFECTS: Final = {
    "derivation": "from kitecli.vault import Vault\nVault.__init__.__kwdefaults__['derive'] = odd",
    "vault": "from kitecli.vault import OpenVault\nget = OpenVault.get\n"
    "OpenVault.get = lambda self, name: odd(name, get(self, name))",
    "password": "from kitecli.auth.web import Web\nask = Web.ask\n"
    "Web.ask = lambda self, asked: odd(asked.url, *asked.form.values()) if asked.form else ask(self, asked)",
    "exchange": "from kitecli.broker import login\nlogin.exchange = odd",
    "session": "from kitecli.auth import authenticator\nauthenticator.write_session = odd",
}
_KEPT: Final = {"derivation": ("vault",), "vault": ("vault",)}
SOME: Final = ("vault", "vault", "debug")  # asks nobody, so no slow answer is in its way


@pytest.mark.parametrize(
    ("defect", "kept_in", "manner"),
    [
        pytest.param(defect, kept_in, manner, marks=() if (defect, kept_in, manner) == SOME else pytest.mark.soak)
        for defect in DEFECTS
        for kept_in in _KEPT.get(defect, KEPT_IN)
        for manner in MANNERS
    ],
)
def test_nothing_leaks_from_a_defect_that_quotes_a_secret(accounts, defect: str, kept_in: str, manner: str):
    account = accounts(kept_in, manner)
    seen = account.crash(f"{TELLING}{DEFECTS[defect]}", "auth", "login", "--totp", *account.options)
    assert seen.exit_code == 70, seen.text("stderr")
    assert "********" in seen.text("stderr"), "it was quoted"
    assert found(seen) == []
