"""No verb of ``kite auth`` shows or leaves a secret, however it ends: an exchange's real credentials are the canaries.

The day's token stands in the session's file, which is what that is for, and on stdout where ``token --stdout`` asks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions
from tests.auth.exchanges import variables_of
from tests.leaks.canaries import CANARIES, Hit, Seen, Watched, leaks, of_the_session

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

# Names that the broker's login page itself carries in its address.
OF_THE_BROKER = {"api_key", "user_id"}
# With `make soak`.
MORE: dict[str, tuple[tuple[str, ...], ...]] = {
    "0": (("auth", "token"), ("doctor", "--online"), ("auth", "login", "--totp")),
    "1": (),
}


@pytest.fixture(scope="module")
def sim() -> Iterator[SimProcess]:
    with launch(SimOptions(instruments=3, rate_limits=False)) as running:
        yield running


@pytest.fixture
def environ(sim: SimProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    for name in ("api_secret", "password", "totp_secret"):
        monkeypatch.setitem(CANARIES, name, getattr(sim.ready, name))
    ours = variables_of(sim, tmp_path)
    return {name: value for name, value in ours.items() if name not in ("KITE_DATA_DIR", "KITE_RUNTIME_DIR")}


def found(seen: Seen, *, token_on: str = "") -> list[Hit]:
    def exempt(hit: Hit) -> bool:
        asked_for = hit.secret == "access_token" and hit.channel == token_on
        return hit.secret in OF_THE_BROKER or of_the_session(hit) or asked_for

    return leaks(seen, exempt)


def token_of(kite: Watched) -> str:
    [path] = (kite.folder / "runtime").glob("session-*")
    return str(json.loads(path.read_text())["access_token"])


@pytest.mark.parametrize("debug", [pytest.param("0", marks=pytest.mark.soak), "1"])
def test_nothing_leaks_from_a_day(
    tmp_path: Path, environ: dict[str, str], sim: SimProcess, debug: str, monkeypatch: pytest.MonkeyPatch
):
    kite = Watched(tmp_path)
    environ = {**environ, "KITE_DEBUG": debug}
    seen = kite.run("auth", "login", "--totp", environ=environ)
    assert seen.exit_code == 0, seen.text("stderr")
    monkeypatch.setitem(CANARIES, "access_token", token_of(kite))
    assert found(seen) == []
    for verb in (("auth", "status", "--json"), *MORE[debug]):
        assert found(kite.run(*verb, environ=environ)) == [], verb
    shown = kite.run("auth", "token", "--stdout", environ=environ)
    assert [(hit.secret, hit.channel) for hit in found(shown)] == [("access_token", "stdout")], "a leak is found"
    assert found(shown, token_on="stdout") == []
    over = kite.run("auth", "logout", environ=environ)
    assert (over.exit_code, leaks(over, lambda hit: hit.secret in OF_THE_BROKER)) == (0, []), "gone from files, too"
    if MORE[debug]:
        assert kite.run("auth", "login", "--totp", environ=environ).exit_code == 0
        sim.renew_token()
        assert found(kite.run("auth", "status", environ=environ)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"KITE_PASSWORD": CANARIES["password"]},
        pytest.param({"KITE_TOTP_SECRET": "CANARYTOTPSEED2345CANARYTOTPSEED"}, marks=pytest.mark.soak),
        pytest.param({"KITE_API_SECRET": CANARIES["api_secret"]}, marks=pytest.mark.soak),
        {"KITE_API_ROOT": "https://127.0.0.1:9"},
    ],
)
def test_nothing_leaks_from_a_login_that_fails(
    tmp_path: Path, environ: dict[str, str], wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    for name, value in wrong.items():
        if name != "KITE_API_ROOT":
            monkeypatch.setitem(CANARIES, name.removeprefix("KITE_").lower(), value)
    seen = Watched(tmp_path).run("auth", "login", "--totp", environ={**environ, **wrong, "KITE_DEBUG": "1"})
    assert seen.exit_code not in (0, 70), seen.text("stderr")
    assert found(seen) == []
