"""Orders: files, outcomes, what the broker refuses of one instrument, and what ends it for all."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from made import INFY, ODD, joined, minutes

from kitecli.broker.historical import CandleRequest
from kitecli.candles.download import Downloader
from kitecli.candles.order import Order, Outcome, deliver, forget_simulated, requests_of
from kitecli.candles.plan import Days
from kitecli.clock import IST, NS_PER_S, ManualClock
from kitecli.errors import AuthError, BrokerError, BrokerUnavailable, KiteError
from kitecli.settings.calendars import load_calendar

CALENDAR = load_calendar()
NOW = datetime(2026, 11, 20, 12, tzinfo=IST)
DAYS = Days(date(2026, 11, 17), date(2026, 11, 20))
SPANS = {"minute": 60, "day": 2000}


class Broker:
    def __init__(self) -> None:
        self.refuses: dict[int, Exception] = {}
        self.asked: list[CandleRequest] = []

    def __call__(self, request: CandleRequest, now_s: float):
        self.asked.append(request)
        if error := self.refuses.get(request.token):
            raise error
        days = (date(2026, 11, 17), date(2026, 11, 19))
        today = minutes(date(2026, 11, 20), 1, settled=False)
        made = joined(*(minutes(day) for day in days), today)
        return made[made["start_s"] >= request.first.timestamp()]

    def downloader(self) -> Downloader:
        clock = ManualClock(round(NOW.timestamp() * NS_PER_S))
        return Downloader(self, bool, SPANS, clock, clock.advance)


def order(out: Path, *instruments, form: str = "csv", **more: object) -> Order:
    return Order(instruments or (INFY, ODD), "minute", DAYS, out, form, **more)


def delivered(broker: Broker, what: Order, home: Path) -> list[Outcome]:
    return deliver(what, broker.downloader(), CALENDAR, home, lambda _: None)


def test_each_instrument_gets_its_file_and_its_outcome(tmp_path: Path):
    one, other = delivered(Broker(), order(tmp_path / "out"), tmp_path / "home")
    assert (one.instrument, one.candles, one.unsettled) == ("NSE:INFY", 7, 1)
    assert one.file == tmp_path / "out" / "NSE-INFY-minute-2026-11-17-2026-11-20.csv"
    assert other.file == tmp_path / "out" / "NSE-M&M-FIN-A-minute-2026-11-17-2026-11-20.csv"
    with one.file.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 7
    assert one.found is not None
    assert one.found.holes == (date(2026, 11, 18),)
    assert one.as_dict() == {
        "instrument": "NSE:INFY",
        "candles": 7,
        "first": "2026-11-17",
        "last": "2026-11-20",
        "holes": ["2026-11-18"],
        "trading_days_before": 0,
        "checked": ["2026-11-17", "2026-11-19"],
        "unsettled": 1,
        "file": str(one.file),
        "error": None,
    }


def test_a_file_name_takes_them_all(tmp_path: Path):
    outcomes = delivered(Broker(), order(tmp_path / "all.csv"), tmp_path / "home")
    assert {one.file for one in outcomes} == {tmp_path / "all.csv"}
    with (tmp_path / "all.csv").open(newline="") as file:
        assert [row["instrument"] for row in csv.DictReader(file)] == ["NSE:INFY"] * 7 + ["NSE:M&M FIN/A"] * 7


def test_kinds_of_candles_and_instruments_are_kept_apart(tmp_path: Path):
    home, plain = tmp_path / "home", order(tmp_path / "out")
    kinds = [plain, replace(plain, oi=True), replace(plain, continuous=True, interval="day")]
    folders = {one.parts.folder.relative_to(home) for kind in kinds for one in kind.series(home)}
    assert len(folders) == 6
    assert Path("minute/NSE-INFY-408065") in folders
    assert Path("minute-oi/NSE-M%26M%20FIN%2FA-519937") in folders
    assert Path("day-continuous/NSE-INFY-408065") in folders


def test_what_is_there_is_not_asked_for_unless_again(tmp_path: Path):
    broker, what, home = Broker(), order(tmp_path / "out", INFY), tmp_path / "home"
    assert requests_of(what, SPANS, home) == 1
    delivered(broker, what, home)
    assert requests_of(what, SPANS, home) == 1  # today
    assert requests_of(replace(what, days=Days(DAYS.first, date(2026, 11, 19))), SPANS, home) == 0
    delivered(broker, what, home)
    assert [f"{one.first:%d}" for one in broker.asked] == ["17", "20"]
    assert requests_of(replace(what, again=True), SPANS, home) == 1
    delivered(broker, what, home)
    assert f"{broker.asked[-1].first:%d}" == "17"


@pytest.mark.parametrize("out", ["folder", "all.csv"])
def test_what_is_refused_of_one_instrument_is_its_outcome(tmp_path: Path, out: str):
    broker = Broker()
    broker.refuses[INFY.instrument_token] = BrokerError("The broker refused it", why="invalid token")
    bad, good = delivered(broker, order(tmp_path / out), tmp_path / "home")
    assert (bad.file, bad.found, str(bad.error)) == (None, None, "The broker refused it. invalid token")
    assert bad.as_dict()["error"]["why"] == "invalid token"
    assert (good.candles, good.file.exists()) == (7, True)


@pytest.mark.parametrize("out", ["folder", "all.csv"])
def test_all_refused_is_an_error_and_leaves_no_file(tmp_path: Path, out: str):
    broker = Broker()
    for row in (INFY, ODD):
        broker.refuses[row.instrument_token] = BrokerError("no", why=row.tradingsymbol)
    with pytest.raises(BrokerError) as raised:
        delivered(broker, order(tmp_path / out), tmp_path / "home")
    assert raised.value.why == "INFY"
    assert not list(tmp_path.rglob("*.csv"))


@pytest.mark.parametrize("error", [AuthError("ended"), BrokerUnavailable("away")])
def test_what_concerns_all_ends_it_and_files_that_are_done_stay(tmp_path: Path, error: KiteError):
    broker = Broker()
    broker.refuses[ODD.instrument_token] = error
    with pytest.raises(type(error)):
        delivered(broker, order(tmp_path / "out"), tmp_path / "home")
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_pieces_of_former_simulated_exchanges_go(tmp_path: Path):
    now_s = NOW.timestamp()
    for name, age_s in (("sim-old", 90_000), ("sim-new", 80_000), ("api.kite.trade", 900_000)):
        (tmp_path / name / "minute").mkdir(parents=True)
        os.utime(tmp_path / name, (now_s - age_s, now_s - age_s))
    forget_simulated(tmp_path, now_s)
    forget_simulated(tmp_path / "none", now_s)
    assert {one.name for one in tmp_path.iterdir()} == {"sim-new", "api.kite.trade"}
