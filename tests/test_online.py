"""The rows of ``kite doctor --online`` and a session's standing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from kitecli.broker.rest import BrokerSession
from kitecli.errors import AuthError
from kitecli.online import (
    Standing,
    check_certificate,
    check_egress,
    check_family,
    check_online,
    check_session,
    check_skew,
    standing,
)
from kitecli.secret import Secret
from kitecli.settings import load
from kitecli.settings.endpoints import load_endpoints
from kitecli.sim.faults.kinds import BAD_TLS
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions

NOW_S = 1_795_322_700
GOOD = Standing("AB1234", "A B", "kite auth login", True, NOW_S, NOW_S + 5400)


@pytest.fixture(scope="module")
def sim() -> Iterator[SimProcess]:
    with launch(SimOptions(instruments=5, rate_limits=False)) as running:
        yield running


SAID = {
    "self_signed": "self-signed certificate",
    "wrong_host": "mismatch",
    "expired": "has expired",
    "unknown_ca": "local issuer",
    "tls_1_1": "no handshake",
    "plaintext_redirect": "wrong version number",
}


@pytest.fixture(scope="module")
def sealed() -> Iterator[SimProcess]:
    """An exchange with a certificate for a day."""
    with launch(SimOptions(instruments=5, rate_limits=False, faults="{version: 1, tls: good}")) as running:
        yield running


def test_all_bad_servers_are_tried():
    assert set(SAID) == set(BAD_TLS)


@pytest.mark.parametrize(
    ("skew_s", "state", "word"),
    [(0.4, "ok", "within"), (-5, "warn", "behind"), (60, "fail", "ahead"), (None, "warn", "no time")],
)
def test_the_clock(skew_s: float | None, state: str, word: str):
    row = check_skew(skew_s)
    assert (row.state, word in row.found) == (state, True)
    assert row.state == "ok" or row.advice


@pytest.mark.parametrize(
    ("said", "registered", "state", "word"),
    [
        ("203.0.113.7\n", ("203.0.113.7",), "ok", "registered"),
        ("203.0.113.8", ("203.0.113.7",), "warn", "not among"),
        ("203.0.113.8", (), "warn", "names none"),
        ("<html>", (), "warn", "not told"),
    ],
)
def test_the_egress_address_against_the_registered(said: str, registered: tuple[str, ...], state: str, word: str):
    row = check_egress(said, registered)
    assert (row.state, word in row.found) == (state, True)
    assert row.state == "ok" or row.advice


def test_the_network_family():
    assert check_family(socket.AF_INET, "1.2.3.4", ("203.0.113.7",)).state == "ok"
    assert check_family(socket.AF_INET6, "::1", ()).state == "ok"
    row = check_family(socket.AF_INET6, "::1", ("203.0.113.7",))
    assert (row.state, "IPv6" in row.advice) == ("warn", True)


def test_the_certificate():
    assert check_certificate("TLSv1.3", "Jan  1 00:00:00 2027 GMT", NOW_S).state == "ok"
    assert check_certificate("TLSv1.3", "Nov 24 00:00:00 2026 GMT", NOW_S).state == "warn"


def test_the_session_row():
    assert check_session(lambda: GOOD, NOW_S).found == "AB1234, by kite auth login, for 1 h 30 min"
    none = Standing("AB1234", "", "KITE_ACCESS_TOKEN", market_data=False)
    assert check_session(lambda: none, NOW_S).state == "warn"

    def nobody() -> Standing:
        raise AuthError("Nobody is logged in", hint="kite auth login")

    assert check_session(nobody, NOW_S).advice == "kite auth login"


def test_how_a_standing_is_shown():
    assert ("until", "11:45 IST on 22 November, in 1 h 30 min") in GOOD.rows(NOW_S)
    assert GOOD.as_dict(NOW_S)["remaining_s"] == 5400
    unknown = Standing("AB1234", "", "KITE_ACCESS_TOKEN", market_data=None)
    assert ("market data", "not told") in unknown.rows(NOW_S)
    assert unknown.as_dict(NOW_S)["until"] is None


def test_a_standing_is_the_brokers_word(sim: SimProcess):
    ours = BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token))
    assert standing(ours, "here", None, time.time()).market_data is True
    sim.change_app(market_data=False)
    assert standing(ours, "here", None, time.time()).market_data is False
    sim.change_app(market_data=True)
    sim.renew_token()
    with pytest.raises(AuthError, match="accepted any more"):
        standing(ours, "here", None, time.time())


def test_all_rows_without_leaving_this_machine(sim: SimProcess):
    kite = load(environ={"KITE_ENVIRONMENT": "sim", "KITE_API_ROOT": sim.api_url}).kite
    rows = {row.name: row for row in check_online(load_endpoints(kite), ("127.0.0.1",), lambda: GOOD)}
    assert list(rows) == ["network", "TLS", "clock and broker", "session", "egress IP"]
    assert {row.state for row in rows.values()} == {"ok"}


def test_an_address_that_isn_t_registered(sim: SimProcess):
    kite = load(environ={"KITE_ENVIRONMENT": "sim", "KITE_API_ROOT": sim.api_url}).kite
    rows = {row.name: row for row in check_online(load_endpoints(kite), ("203.0.113.7",), lambda: GOOD)}
    assert rows["egress IP"].found == "127.0.0.1, not among the registered"
    assert "203.0.113.7" in rows["egress IP"].advice


def test_the_clock_is_read_when_the_broker_tells_its_own(sim: SimProcess, monkeypatch: pytest.MonkeyPatch):
    """A slow handshake before it is no difference of clocks."""
    kite = load(environ={"KITE_ENVIRONMENT": "sim", "KITE_API_ROOT": sim.api_url}).kite
    checked = check_online(load_endpoints(kite), (), lambda: GOOD)
    began_s = time.time()
    assert next(checked).name == "network"
    monkeypatch.setattr("kitecli.online.time.time", lambda: began_s + 60)  # as if the rest had come a minute later
    assert {row.name: row.state for row in checked}["clock and broker"] == "fail"


@pytest.mark.parametrize(("form", "said"), [("", "certificate until"), *SAID.items()])
def test_the_row_of_tls_says_what_is_wrong_with_a_server(
    sealed: SimProcess, form: str, said: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", sealed.ready.ca_file)
    if form:
        sealed.fault("tls", form=form, count=2, where="rest")
    kite = load(environ={"KITE_ENVIRONMENT": "sim", "KITE_API_ROOT": sealed.api_url}).kite
    rows = [*check_online(load_endpoints(kite), (), lambda: GOOD)]
    assert [row.name for row in rows] == ["network", "TLS", "clock and broker", "session", "egress IP"]
    assert said in rows[1].found
    assert [row.state for row in rows[1:3]] == (["fail", "warn"] if form else ["warn", "ok"])
    assert all(row.advice for row in rows[1:3] if row.state != "ok")


def test_a_server_that_hangs_up_is_said_in_the_row_of_tls():
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as pool:
        pool.submit(lambda: [server.accept()[0].close() for _ in range(2)])
        root = f"https://127.0.0.1:{server.getsockname()[1]}"
        kite = load(environ={"KITE_ENVIRONMENT": "sim", "KITE_API_ROOT": root}).kite
        rows = list(islice(check_online(load_endpoints(kite), (), lambda: GOOD), 3))
    assert [(row.name, row.state) for row in rows] == [("network", "ok"), ("TLS", "fail"), ("clock and broker", "warn")]
    assert "no handshake" in rows[1].found


def test_a_broker_out_of_reach_is_rows_too():
    kite = load(environ={"KITE_ENVIRONMENT": "sim", "KITE_API_ROOT": "http://127.0.0.1:1"}).kite
    rows = list(check_online(load_endpoints(kite), (), lambda: GOOD))
    assert rows[0].state == "fail"
    assert all(row.advice for row in rows if row.state != "ok")
