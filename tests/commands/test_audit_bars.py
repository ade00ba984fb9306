"""``kite audit-bars`` in processes of its own: a played day with a late tick and a cut, and altered candles."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from kitecli.cli import app
from kitecli.clock import IST
from kitecli.commands._audit_bars import Period
from kitecli.errors import UsageError
from kitecli.hot import COMPILED
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

BEGAN_MS = 1_719_461_700_000
"""09:45:00 IST on 27 June 2024, a Thursday."""
STEP_MS = 5000
ROWS = 120
LATE_AFTER = 37
"""The row after which a tick of the minute before comes late: the second one of 09:48."""
DAY_OPEN = 1498.0
SPEED = 60
CUT_AFTER = 57
"""The row after which nobody gets in for a while: one of 09:49."""
DARK_S = 1.2
"""Over a minute of the played day, so that the outage takes ticks from two bars, however quick the feed is back."""


def day():
    """Ten minutes of INFY, a tick each five seconds, up and down by 10 paise; 10 shares a tick."""
    lines = ["ts_ms,instrument_token,tradingsymbol,last_price,volume,day_open,buy_price_1,sell_price_1"]
    for number in range(ROWS):
        at, price = BEGAN_MS + number * STEP_MS + 500, 1500 + (number % 24) / 10
        lines.append(f"{at},408065,INFY,{price:.2f},{1000 + number * 10},{DAY_OPEN},1499,1501")
        if number == LATE_AFTER:
            late = BEGAN_MS + 3 * 60_000 - 500
            lines.append(f"{late},408065,INFY,1507.00,{1000 + 35 * 10 + 5},{DAY_OPEN},1499,1501")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The day, played to a feed in the background and cut in between: the feed's environment, and the exchange."""
    if not COMPILED:
        pytest.skip("a feed in the background needs the compiled pass")
    folder = tmp_path_factory.mktemp("day")
    (folder / "day.csv").write_text(day())
    options = SimOptions(source=str(folder / "day.csv"), speed=SPEED, faults="version: 1", rate_limits=False)
    with launch(options) as sim:
        env = {
            "KITE_RUNTIME_DIR": str(folder / "run"),
            "KITE_ENVIRONMENT": "sim",
            "KITE_WS_ROOT": sim.ws_url,
            "KITE_API_ROOT": sim.api_url,
            "KITE_API_KEY": sim.api_key,
            "KITE_ACCESS_TOKEN": sim.access_token,
        }
        try:
            assert kite(env, "feed", "--daemon", "INFY", "--mode", "full").returncode == 0
            _wait(lambda: sim.status()["live"] > CUT_AFTER)
            sim.fault("refuse", for_s=DARK_S)
            _wait(lambda: sim.status()["state"] == "ended")
            yield env, sim
        finally:
            kite(env, "stop", "--all")


def kite(env, *arguments):
    command = [sys.executable, "-m", "kitecli", *arguments]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False)


def _wait(until, seconds=30):
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Altering(ThreadingHTTPServer):
    """Passes calls on to ``root``; candles of a minute, as ``09:46``, with values changed by their place."""

    def __init__(self, root, changes):
        super().__init__(("127.0.0.1", 0), Passing)
        self.root, self.changes = root, changes

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return super().__enter__()

    def __exit__(self, *raised):
        self.shutdown()
        super().__exit__(*raised)


class Passing(BaseHTTPRequestHandler):
    def do_GET(self):
        headers = {name: self.headers[name] for name in ("Authorization", "X-Kite-Version") if self.headers[name]}
        asked = urllib.request.Request(self.server.root + self.path, headers=headers)
        try:
            with urllib.request.urlopen(asked) as answer:
                status, kind, body = answer.status, answer.headers["content-type"], answer.read()
        except urllib.error.HTTPError as error:
            status, kind, body = error.code, error.headers["content-type"], error.read()
        if "/historical/" in self.path:
            document = json.loads(body)
            for candle in document["data"]["candles"]:
                for place, value in self.server.changes.get(candle[0][11:16], {}).items():
                    candle[place] = value
            body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def document(done):
    (found,) = json.loads(done.stdout)["instruments"]
    return found, {(one["start"][11:16], one["field"]): one["cause"] for one in found["differences"]}


def test_a_late_tick_and_an_outage_are_explained(played):
    env, _ = played
    done = kite(env, "audit-bars", "INFY", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    found, causes = document(done)
    assert (found["instrument"], found["interval"], found["compared"] >= 8) == ("NSE:INFY", "1m", True)
    assert causes["09:47", "high"] == "late"
    assert "gap" in causes.values()
    assert "not explained" not in causes.values()
    assert found["equal"] > 0
    assert json.loads(done.stdout)["unexplained"] == 0


def test_people_get_rows_and_a_sentence(played):
    env, _ = played
    done = kite(
        {**env, "TZ": "America/New_York"}, "audit-bars", "INFY", "--from", "2024-06-27 09:47", "--to", "2024-06-27"
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    late = next(row for row in rows if row[5] == "late" and row[2] == "high")
    assert late[:5] == ["NSE:INFY", "27 Jun 09:47", "high", "1,501.10", "1,507.00"]
    assert "revision 1 agrees" in late[6]
    assert "bars compared" in done.stderr
    assert "09:45" not in done.stdout


@pytest.fixture
def altered(played):
    """Runs the audit with candles that were changed on their way."""
    env, sim = played

    def run(changes, *arguments):
        with Altering(sim.api_url, changes) as server:
            return kite({**env, "KITE_API_ROOT": server.url}, "audit-bars", "INFY", *arguments)

    return run


def test_what_the_broker_changed_is_told_from_what_nothing_explains(altered):
    open_, high, volume = 1, 2, 5
    done = altered({"09:45": {open_: DAY_OPEN, 3: DAY_OPEN}, "09:46": {high: 1510.0, volume: 125}}, "--json")
    found, causes = document(done)
    assert (causes["09:45", "open"], causes["09:45", "low"]) == ("open corrected", "open corrected")
    assert causes["09:46", "high"] == "missing tick"
    assert causes["09:46", "volume"] == "not explained"
    assert found["causes"]["not explained"] == 1
    assert done.returncode == 9
    assert json.loads(done.stdout)["unexplained"] == 1


def test_a_price_nobody_paid_ends_with_9_and_is_on_stdout(altered):
    done = altered({"09:46": {2: 1500.5}})
    assert done.returncode == 9
    row = next(line.split("\t") for line in done.stdout.splitlines() if "not explained" in line)
    assert row[:5] == ["NSE:INFY", "27 Jun 09:46", "high", "1,502.30", "1,500.50"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["INFY", "--from", "11:00"], 5, "in that time"),
        (["INFY", "--interval", "7m"], 2, "15minute"),
        (["INFI"], 5, "NSE:INFY"),
    ],
)
def test_what_cannot_be_compared_is_said(played, arguments, code, said):
    done = kite(played[0], "audit-bars", *arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr


def test_without_a_feed_there_is_nothing_to_compare(monkeypatch, tmp_path):
    for name, value in {"ENVIRONMENT": "sim", "API_KEY": "key", "ACCESS_TOKEN": "token"}.items():
        monkeypatch.setenv(f"KITE_{name}", value)
    monkeypatch.setenv("KITE_RUNTIME_DIR", str(tmp_path))
    done = CliRunner().invoke(app, ["audit-bars", "INFY"])
    assert (done.exit_code, done.stdout) == (5, "")
    assert "kite feed --daemon" in done.stderr


# which bars


def test_a_period_is_of_indian_times_and_a_day_has_its_end():
    period = Period.parse("5m", "2026-11-24 10:00", "2026-11-24")
    assert (period.word, str(period.interval)) == ("5minute", "5m")
    assert (str(period.first), str(period.last)) == ("2026-11-24 10:00:00+05:30", "2026-11-25 00:00:00+05:30")
    assert Period.parse("day", "", "") == Period(period.interval.parse("day"), "day", None, None)
    today = Period.parse("1m", "10:00", "12:30:15")
    assert (today.last - today.first).total_seconds() == 9015
    assert today.first.tzinfo is IST


@pytest.mark.parametrize(
    ("interval", "first", "last"),
    [("7m", "", ""), ("500t", "", ""), ("1m", "ten", ""), ("1m", "12:00", "10:00"), ("1m", "2026-13-01", "")],
)
def test_no_period(interval, first, last):
    with pytest.raises(UsageError):
        Period.parse(interval, first, last)
