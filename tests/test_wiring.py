"""How parts are put together: which market, which instruments, as whom; and a feed of them."""

import os
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kitecli.auth.place import place_of
from kitecli.broker.rest import BrokerSession
from kitecli.clock import IST
from kitecli.errors import AuthError, TooManyInstruments
from kitecli.hot import COMPILED
from kitecli.market.book import InstrumentBook
from kitecli.market.instruments import Instrument
from kitecli.ring.policy import Policy
from kitecli.secret import Secret
from kitecli.session import DaySession, session_end_s, write_session
from kitecli.settings import load
from kitecli.sim.options import SimOptions
from kitecli.vault import AccessToken, Vault, unlocking, vault_path
from kitecli.wiring import (
    FeedPlan,
    Market,
    Wanted,
    choose,
    load_book,
    open_market,
    rest_session,
    spot_prices,
    start_feed,
)


def settings(**flags):
    return load(flags={name.replace("__", "."): value for name, value in flags.items()})


def book(count=20_000):
    names = ["NIFTY 50", "NIFTY BANK", "RELIANCE", "HDFCBANK", "ICICIBANK", "INFY", "TCS", "SBIN", "BHARTIARTL", "ITC"]
    names += ["LT", "AXISBANK", "KOTAKBANK", *(f"S{index}" for index in range(count - 13))]
    rows = [
        Instrument(
            instrument_token=index * 256 + 1,
            exchange_token=str(index),
            tradingsymbol=name,
            name=name,
            last_price=0.0,
            expiry=None,
            strike=0.0,
            tick_size=0.05,
            lot_size=1,
            instrument_type="EQ",
            segment="NSE",
            exchange="NSE",
        )
        for index, name in enumerate(names, 1)
    ]
    sensex = rows[0]
    return InstrumentBook([*rows, type(sensex)(265, "1", "SENSEX", "", 0, None, 0, 0.05, 1, "EQ", "INDICES", "BSE")])


def market(*, simulated):
    return Market("ws://x", BrokerSession("http://x", "k", Secret("t&=/")), simulated=simulated)


def test_rest_is_called_with_the_token_that_stands_in_the_file_now(tmp_path: Path):
    known = market(simulated=False)
    assert rest_session(known) is known.session
    path = tmp_path / "token"
    unknown = Market("ws://x", BrokerSession("http://x", "k"), token_file=str(path))
    with pytest.raises(AuthError, match="can't be read"):
        rest_session(unknown)
    path.touch(0o600)
    path.write_text("todays\n")
    assert rest_session(unknown).access_token == Secret("todays")


def test_who_says_nothing_gets_all_of_a_simulation_and_a_few_names_of_a_real_market():
    small = book(100)
    assert len(choose(settings(), market(simulated=True), small, Wanted())) == 101
    assert len(choose(settings(), market(simulated=False), small, Wanted())) == 14
    with pytest.raises(TooManyInstruments):
        choose(settings(), market(simulated=True), book(), Wanted())


def test_modes_come_from_the_settings_where_none_is_given():
    chosen = choose(settings(datafeed__equity_mode="ltp"), market(simulated=True), book(50), Wanted(("INFY",)))
    assert list(chosen.modes.values()) == ["ltp"]


@pytest.mark.parametrize("environment", ["prod", "sandbox"])
def test_the_brokers_servers_need_credentials(environment, monkeypatch, tmp_path):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(AuthError) as refusal:
        open_market(settings(kite__environment=environment), None)
    assert "kite auth login" in refusal.value.hint
    monkeypatch.setenv("KITE_API_KEY", "key")
    monkeypatch.setenv("KITE_ACCESS_TOKEN", "token")
    if environment == "sandbox":
        with pytest.raises(AuthError, match="user_id"):
            open_market(settings(kite__environment=environment), None)
    monkeypatch.setenv("KITE_USER_ID", "AB1234")
    with open_market(settings(kite__environment=environment), None) as where:
        pass
    sandbox = environment == "sandbox"
    assert where.ws_root == ("wss://ws-sandbox.kite.trade" if sandbox else "wss://ws.kite.trade")
    assert where.user_id == (Secret("AB1234") if sandbox else None), "only the sandbox's ticker asks for it"
    assert (where.session.access_token, where.token_file) == (Secret("token"), None)
    assert where.session.route_prefix == ("/oms" if sandbox else "")


def test_a_token_file_serves_where_no_token_is_given(monkeypatch):
    monkeypatch.setenv("KITE_API_KEY", "key")
    monkeypatch.setenv("KITE_ACCESS_TOKEN_FILE", "~/token")
    with open_market(settings(), None) as where:
        assert where.token_file == str(Path("~/token").expanduser())
        assert not where.session.access_token
    monkeypatch.setenv("KITE_ACCESS_TOKEN", "token")
    with open_market(settings(), None) as where:
        assert (where.token_file, where.session.access_token) == (None, Secret("token"))


@pytest.fixture
def vault(monkeypatch, tmp_path):
    """Open, with an api_key and today's token; its password is on a descriptor."""
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(unlocking, "_opened", {})
    with Vault(vault_path()).create(Secret("correct horse battery")) as opened:
        opened.update({"api_key": Secret("vault-key"), "user_id": Secret("AB1234")})
        opened.set_token(AccessToken("AB1234", Secret("vault-token"), datetime.now(IST) + timedelta(hours=1)))
    reading, writing = os.pipe()
    os.write(writing, b"correct horse battery\n")
    os.close(writing)
    monkeypatch.setenv("KITE_VAULT_FD", str(reading))
    yield
    os.close(reading)


def test_the_vault_gives_what_the_environment_lacks_and_the_environment_wins(vault, monkeypatch):
    for _ in range(2):  # a descriptor is read once, and a process asks more than once
        with open_market(settings(), None) as where:
            assert (where.session.api_key, rest_session(where).access_token) == ("vault-key", Secret("vault-token"))
    monkeypatch.setenv("KITE_ACCESS_TOKEN", "token")
    with open_market(settings(), None) as where:
        assert (where.session.api_key, where.session.access_token) == ("vault-key", Secret("token"))
    monkeypatch.delenv("KITE_ACCESS_TOKEN")
    monkeypatch.setenv("KITE_ACCESS_TOKEN_FILE", "~/token")
    with open_market(settings(), None) as where:
        assert (where.session.api_key, where.token_file) == ("vault-key", str(Path("~/token").expanduser()))


def test_the_broker_s_credentials_are_not_for_its_sandbox(vault):
    with pytest.raises(AuthError, match="access_token"):
        open_market(settings(kite__environment="sandbox"), None)


def test_a_vault_that_nothing_opens_is_named(vault, monkeypatch):
    monkeypatch.delenv("KITE_VAULT_FD")
    with pytest.raises(AuthError) as refusal:
        open_market(settings(), None)
    assert "kite creds status" in refusal.value.hint


def test_a_login_serves_where_nothing_else_is_given_and_later_ones_are_seen(monkeypatch, tmp_path):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path))
    kite, now_s = settings().kite, time.time()
    with pytest.raises(AuthError, match="No api_key"):
        open_market(settings(), None)
    for token in ("first", "second"):
        session = DaySession("key", "AB1234", Secret(token), int(now_s), session_end_s(now_s))
        write_session(place_of(kite).session_file("key"), session)
        with open_market(settings(), None) as where:
            pass
        assert (where.session.api_key, where.session.access_token) == ("key", Secret(""))
        assert rest_session(where).access_token == Secret(token)
        assert spot_prices(where) is not None
    monkeypatch.setenv("KITE_API_KEY", "another")
    with pytest.raises(AuthError, match="No access_token"):
        open_market(settings(), None)
    assert spot_prices(replace(where, session_file=str(tmp_path / "none"))) is None


@pytest.fixture
def simulated(monkeypatch, tmp_path):
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path / "run"))
    with open_market(settings(), SimOptions(instruments=20, rate=5)) as where:
        yield where


def test_a_feed_misses_none_of_the_answers_to_its_subscription(simulated):
    tokens = [row.instrument_token for row in load_book(simulated)]
    plan = FeedPlan(policy=Policy.LATEST)
    with start_feed(settings(), simulated, dict.fromkeys(tokens, "quote"), plan, lambda _: None) as feed:
        assert feed.reader.policy is Policy.LATEST
        seen = set()
        for batch in feed.batches(20):
            seen |= set(batch.ticks["token"].tolist()) if batch else set()
            if len(seen) == len(tokens):
                break
        assert seen == set(tokens)
        assert feed.reader.start == 0


@pytest.mark.skipif(not COMPILED, reason="a feed in one process has one reader")
def test_a_second_feed_joins_the_first_and_gets_its_own_instruments_only(simulated):
    one, other = (row.instrument_token for row in list(load_book(simulated))[:2])
    said = []
    with start_feed(settings(), simulated, {one: "ltp"}, FeedPlan(), said.append) as first:
        smaller = settings(performance__ring_buffer_size="1000")
        with start_feed(smaller, simulated, {other: "quote"}, FeedPlan(), lambda _: None) as second:
            assert second.gateway_pid == first.gateway_pid
            assert "a ring of" in second.warnings[0]
            begun_at = second.reader.start
            for feed, token in ((second, other), (first, one)):
                seen = Counter()
                for batch in feed.batches(20):
                    seen.update(batch.ticks["token"].tolist() if batch else [])
                    if seen.total() > 3:
                        break
                assert set(seen) == {token}
            assert first.passed_over + second.passed_over > 0
            with start_feed(smaller, simulated, {one: "ltp"}, FeedPlan(), lambda _: None) as third:
                assert third.reader.start > begun_at, "what streamed before it came was for others"
        assert not first.warnings


def test_a_feed_that_cant_have_what_it_asks_for_is_closed_again(simulated):
    closed = []
    with pytest.raises(TooManyInstruments):
        start_feed(
            settings(),
            simulated,
            dict.fromkeys(range(257, 257 + 256 * 9001, 256), "ltp"),
            FeedPlan(),
            lambda _: None,
            lambda: closed.append(True),
        )
    assert closed == [True]
