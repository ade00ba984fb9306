"""No verb of ``kite creds``, however it ends, shows or leaves a secret; nor does one that opens the vault."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.leaks.canaries import CANARIES, LINES, NEW_PASSWORD, PASSWORD, Watched, leaks, of_the_session

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

VERBS: Final = (
    ("creds", "setup"),
    ("creds", "status"),
    ("creds", "set", "api_secret"),
    ("creds", "set", "access_token"),
    ("creds", "set", "password", "--remove"),
    ("creds", "rotate"),
    ("creds", "change-password"),
    ("creds", "reset", "--yes"),
    ("creds", "import-env"),
    ("creds", "backup", "copy.vault"),
    ("creds", "restore", "../backup.vault", "--yes"),
    ("creds", "keyring"),
    ("config", "show"),
    ("doctor",),
    ("feed", "NSE:INFY", "--duration", "1"),
    ("data", "download", "NSE:INFY", "--from", "2026-11-02"),
    ("creds", "set", "webhook_url"),
    ("--set", "alerts.channels=[webhook, telegram]", "alerts", "test"),
)
NO_PASSWORD: Final = {"reset", "backup"}
NOWHERE: Final = {
    "KITE_API_ROOT": "https://127.0.0.1:9",
    "KITE_WS_ROOT": "wss://127.0.0.1:9",
    "KITE_ALERTS_TELEGRAM_ROOT": "https://127.0.0.1:9",
    "KITE_ALERTS_TELEGRAM_CHAT": "42",
}
MANNERS: Final = {"plain": ((), {}), "json": (("--json",), {}), "debug": ((), {"KITE_DEBUG": "1"})}


def untouched(kite: Watched) -> None: ...


def no_vault(kite: Watched) -> None:
    kite.vault.unlink()


def damaged(kite: Watched) -> None:
    kite.vault.write_bytes(kite.vault.read_bytes()[:-1])


def readable(kite: Watched) -> None:
    kite.vault.chmod(0o644)


def in_the_open(kite: Watched) -> None:
    dotenv = kite.folder / "work" / ".env"
    dotenv.touch(0o600)
    dotenv.write_text(LINES)
    kite.given.add(dotenv)


STATES: Final[tuple[Callable[[Watched], None], ...]] = (untouched, no_vault, damaged, readable, in_the_open)
PASSWORDS: Final = {"right": PASSWORD, "wrong": CANARIES["password"]}
EVERY: Final = list(itertools.product(VERBS, MANNERS, STATES, PASSWORDS))
# Each of our verbs once, each state and manner with some; `make soak` has all combinations, and verbs that wait.
SOME: Final = [
    (verb, list(MANNERS)[n % 3], STATES[n % 5], "wrong" if n % 7 == 6 else "right") for n, verb in enumerate(VERBS[:13])
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    """A vault with a canary in every entry, to begin each scenario with."""
    kite = Watched(tmp_path_factory.mktemp("filled"))
    made = kite.run("creds", "setup", password=PASSWORD, stdin=LINES)
    assert (made.exit_code, leaks(made)) == (0, [])
    return kite.vault.read_bytes(), kite.folder


def scene(kite: Watched, content: bytes) -> None:
    kite.vault.parent.mkdir(mode=0o700, exist_ok=True)
    kite.vault.touch(0o600)
    kite.vault.write_bytes(content)
    (kite.folder / "backup.vault").write_bytes(content)


def act(kite: Watched, verb: tuple[str, ...], manner: str, password: str):
    options, environ = MANNERS[manner]
    given = "" if NO_PASSWORD & set(verb) else PASSWORDS[password]
    new = NEW_PASSWORD if "change-password" in verb else ""
    value = CANARIES[verb[2]] if verb[1:2] == ("set",) else LINES
    return kite.run(*verb, *options, password=given, new=new, stdin=value, environ=environ | NOWHERE)


@pytest.mark.parametrize(("verb", "manner", "state", "password"), SOME, ids=lambda one: getattr(one, "__name__", None))
def test_nothing_leaks(tmp_path: Path, filled, verb, manner: str, state, password: str):
    kite = Watched(tmp_path)
    scene(kite, filled[0])
    state(kite)
    seen = act(kite, verb, manner, password)
    assert seen.text("argv")  # somebody looked while it ran
    assert leaks(seen) == []


@pytest.mark.soak
def test_nothing_leaks_in_any_combination(tmp_path: Path, filled):
    ends: dict[int, int] = {}
    for number, (verb, manner, state, password) in enumerate(EVERY):
        folder = tmp_path / str(number)
        folder.mkdir()
        kite = Watched(folder)
        scene(kite, filled[0])
        state(kite)
        seen = act(kite, verb, manner, password)
        assert leaks(seen, of_the_session) == [], (verb, manner, state.__name__, password)
        ends[seen.exit_code] = ends.get(seen.exit_code, 0) + 1
    print(f"\n{len(EVERY)} scenarios, 0 leaks; exit codes {dict(sorted(ends.items()))}")


@pytest.mark.soak
def test_the_environment_s_secrets_reach_no_child(tmp_path: Path):
    """A simulated exchange and a gateway are started; neither is given what the shell had. Of a gateway alone
    test_feed.py says so each time.
    """
    environ = dict(line.split("=", 1) for line in LINES.splitlines())
    seen = Watched(tmp_path).run("feed", "--sim", "NSE:INFY", "--duration", "1", "--json", environ=environ)
    assert seen.exit_code == 0, seen.text("stderr")
    assert "kitecli.sim" in seen.text("argv")
    assert seen.text("environ")
    assert leaks(seen) == []
