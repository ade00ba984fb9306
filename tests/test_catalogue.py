"""Which masters are whose, and what a command gets to work with."""

from __future__ import annotations

import gzip
from datetime import date, datetime
from pathlib import Path

import pytest

from kitecli.broker.rest import BrokerSession
from kitecli.catalogue import (
    book_of,
    groups_of,
    last_prices,
    master_session,
    read_file,
    source_of,
    stale_warning,
    store_of,
    take_in,
    todays,
    todays_book,
    trading_today,
    two_days,
)
from kitecli.errors import DataError, KiteError, SubscriptionError
from kitecli.market.instruments import format_instruments
from kitecli.secret import Secret
from kitecli.settings import load
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions
from tests.market.masters import share

CSV = format_instruments([share("NSE:A", 257)]).encode()


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("root", "source"),
    [
        ("https://api.kite.trade", "api.kite.trade"),
        ("https://sandbox.kite.trade/x", "sandbox.kite.trade"),
        ("http://127.0.0.1:8766", "sim"),
        ("http://localhost:1", "sim"),
        ("http://[::1]:1", "sim"),
        ("https://127.0.0.1.example.org", "127.0.0.1.example.org"),
    ],
)
def test_a_simulated_exchange_s_masters_are_kept_apart(root: str, source: str, data: Path):
    assert source_of(root) == source
    assert store_of(root).folder == data / "instruments" / source


def test_a_simulated_exchange_is_asked_each_time_and_never_stands_in_for_another(data: Path):
    with launch(SimOptions(instruments=50)) as sim:
        session = BrokerSession(sim.api_url)
        first, second = todays(session), todays(session)
        assert (first.how, second.how) == ("fetched", "unchanged")
        assert len(first.book) == len(second.book) >= 50
    with launch(SimOptions(instruments=60)) as sim:
        assert len(todays_book(BrokerSession(sim.api_url))) != len(first.book)
    with pytest.raises(KiteError):  # no older one: it would be of another market
        todays(session)
    assert [path.name for path in (data / "instruments").iterdir()] == ["sim"]


def test_an_old_master_is_warned_of(monkeypatch: pytest.MonkeyPatch):
    from kitecli.master import sync
    from kitecli.master.store import State

    session = BrokerSession("https://nowhere.invalid")
    store = store_of(session.api_root)
    store.keep(CSV, date(2020, 1, 1))
    store.note(State("2020-01-01", "ab", 0))
    monkeypatch.setattr(sync, "RETRIES_S", ())
    said: list[str] = []
    assert len(todays_book(session, say=said.append)) == 1
    assert len(said) == 1
    assert "2020-01-01" in said[0]
    assert stale_warning(todays(session)) == said[0]


def test_the_master_needs_no_login(monkeypatch: pytest.MonkeyPatch):
    session = master_session(load())
    assert (session.api_root, bool(session.access_token)) == ("https://api.kite.trade", False)
    monkeypatch.setenv("KITE_ACCESS_TOKEN", "secret")
    assert master_session(load()).access_token.reveal() == "secret"


def test_prices_need_one_and_say_why_they_can_t_be_had():
    assert last_prices(BrokerSession("http://127.0.0.1:9")) is None
    ask = last_prices(BrokerSession("http://127.0.0.1:9", "k", Secret("t")))
    with pytest.raises(SubscriptionError, match="can't be reached"):
        ask(["NSE:INFY"])
    with launch(SimOptions()) as sim:
        ask = last_prices(BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token)))
        assert ask(["NSE:INFY"])["NSE:INFY"] > 0


def test_days_and_files_are_masters_alike(tmp_path: Path):
    store = store_of("https://x.example")
    (tmp_path / "old.csv.gz").write_bytes(gzip.compress(CSV))
    (tmp_path / "old.csv").write_bytes(CSV)
    book, report = take_in(tmp_path / "old.csv.gz", date(2026, 11, 20), store)
    assert (len(book), report.rows) == (1, 1)
    for name in ("2026-11-20", str(tmp_path / "old.csv"), str(tmp_path / "old.csv.gz")):
        assert [row.key for row in book_of(name, store)] == ["NSE:A"]
    assert read_file(tmp_path / "old.csv.gz") == CSV
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(CSV)[:-5])
    for name in ("2026-11-19", str(tmp_path / "none.csv"), str(tmp_path / "cut.csv.gz")):
        with pytest.raises(DataError):
            book_of(name, store)


CONTRACTS = b"""\
instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,segment,exchange
408065,1594,INFY,INFOSYS,0.0,,0.0,0.05,1,EQ,NSE,NSE
2817537,11006,INFRABEES,A FUND,0.0,,0.0,0.01,1,EQ,NSE,NSE
128053508,500209,INFY,INFOSYS,0.0,,0.0,0.05,1,EQ,BSE,BSE
256265,1001,NIFTY 50,NIFTY 50,0.0,,0.0,0.0,0,EQ,INDICES,NSE
14688770,57378,INFY26NOVFUT,INFY,0.0,2026-11-24,0.0,0.05,400,FUT,NFO-FUT,NFO
"""


def test_stocks_with_contracts_on_them_close_by_auction():
    root = "https://y.example"
    everything = [408065, 2817537, 128053508, 256265, 14688770]
    assert groups_of(root, everything) == {}, "nothing has been downloaded"
    store_of(root).keep(CONTRACTS, date(2026, 11, 20))
    assert groups_of(root, everything) == {"cas": [408065]}, "no contract of its own exchange is on the other"
    assert groups_of(root, [256265, 14688770]) == {}
    assert groups_of(root, []) == {}


def test_two_days_are_the_newest_unless_named():
    store = store_of("https://x.example")
    with pytest.raises(DataError, match="nothing to compare"):
        two_days(None, None, store)
    store.keep(CSV, date(2026, 11, 18))
    with pytest.raises(DataError, match="nothing to compare"):
        two_days(None, None, store)
    store.keep(CSV, date(2026, 11, 19))
    store.keep(CSV, date(2026, 11, 20))
    assert two_days(None, None, store) == ("2026-11-19", "2026-11-20")
    assert two_days("2026-11-18", None, store) == ("2026-11-18", "2026-11-20")
    assert two_days("a.csv", "b.csv", store) == ("a.csv", "b.csv")


@pytest.mark.parametrize(("time_of_day", "day"), [("05:59", 22), ("06:00", 23)])
def test_before_six_in_the_morning_a_recording_is_yesterdays(time_of_day: str, day: int, monkeypatch):
    at = datetime.fromisoformat(f"2026-11-23T{time_of_day}+05:30")
    monkeypatch.setattr("time.time_ns", lambda: int(at.timestamp()) * 10**9)
    assert trading_today() == date(2026, 11, day)
