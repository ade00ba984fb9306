"""How parts are put together: which market, which instruments, as whom."""

import pytest

from kitecli.broker.rest import BrokerSession
from kitecli.errors import AuthError, TooManyInstruments
from kitecli.market.instruments import Instrument, InstrumentBook
from kitecli.secret import Secret
from kitecli.settings import load
from kitecli.wiring import Market, Wanted, choose, open_market


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


def test_the_ticker_url_quotes_the_token_and_hides_it():
    url = market(simulated=True).ticker_url()
    assert url.reveal() == "ws://x?api_key=k&access_token=t%26%3D%2F"
    assert "t%26" not in repr(url)


def test_the_sandbox_is_told_the_user():
    where = Market("ws://x", BrokerSession("http://x", "k", Secret("t")), Secret("AB1234"))
    assert where.ticker_url().reveal().endswith("&user_id=AB1234")


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
def test_the_brokers_servers_need_credentials(environment, monkeypatch):
    with pytest.raises(AuthError) as refusal:
        open_market(settings(kite__environment=environment), None)
    assert "KITE_ACCESS_TOKEN" in refusal.value.hint
    monkeypatch.setenv("KITE_API_KEY", "key")
    monkeypatch.setenv("KITE_ACCESS_TOKEN", "token")
    if environment == "sandbox":
        with pytest.raises(AuthError, match="user_id"):
            open_market(settings(kite__environment=environment), None)
    monkeypatch.setenv("KITE_USER_ID", "AB1234")
    with open_market(settings(kite__environment=environment), None) as where:
        url = where.ticker_url().reveal()
    sandbox = environment == "sandbox"
    assert url.startswith("wss://ws-sandbox.kite.trade" if sandbox else "wss://ws.kite.trade")
    assert ("user_id" in url) == sandbox
    assert where.session.route_prefix == ("/oms" if sandbox else "")
