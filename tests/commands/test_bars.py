"""``kite bars`` as a user runs it: against the simulated exchange, in a process of its own."""

import csv
import io
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from datetime import datetime
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from kitecli.bars.intervals import Interval
from kitecli.cli import app
from kitecli.clock import IST
from kitecli.commands._bars import BarsWanted, closed_until, suited
from kitecli.errors import UsageError
from kitecli.hot import COMPILED

BEGAN_MS = 1_719_461_700_000
"""09:45:00 IST on 27 June 2024."""


def rows(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def day(tmp_path):
    """A table of twelve minutes, six ticks each: INFY rises by 10 paise, RELIANCE stands; 10 and 20 a tick.

    With depth, because only such a table is played in full mode, which has the exchange's time.
    """
    lines = ["ts_ms,instrument_token,tradingsymbol,last_price,volume,buy_price_1,sell_price_1"]
    for number in range(72):
        at = BEGAN_MS + number * 10_000 + 500
        lines.append(f"{at},408065,INFY,{1500 + number / 10:.2f},{1000 + number * 10},1500,1501")
        lines.append(f"{at},738561,RELIANCE,2900,{5000 + number * 20},2899,2901")
    (tmp_path / "day.csv").write_text("\n".join(lines))
    return "day.csv"


def test_a_played_days_bars_are_those_of_its_ticks(run_kite, day):
    found = rows(run_kite("bars", "INFY", "RELIANCE", "--source", day, "--speed", "0", "--json"))
    assert [row["instrument"] for row in found] == ["NSE:INFY"] * 11 + ["NSE:RELIANCE"] * 11, "the last aren't over"
    first, second = found[0], found[1]
    assert (first["start"], first["end"]) == ("2024-06-27T09:45:00+05:30", "2024-06-27T09:46:00+05:30")
    assert (first["high"], first["close"], first["volume"]) == (1500.5, 1500.5, 50)
    assert [second[name] for name in ("open", "high", "low", "close")] == [1500.6, 1501.1, 1500.6, 1501.1]
    assert (second["volume"], second["ticks"]) == (60, 6)
    assert (first["interval"], first["oi"]) == ("1m", None)


def test_longer_ones_are_put_together_and_the_newest_are_kept_with_the_one_at_work(run_kite, day):
    asked = ("bars", "INFY", "RELIANCE", "--source", day, "--speed", "0", "--interval", "3m")
    done = run_kite(*asked, "--count", "3", "--forming")
    found = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["instrument"], row["start"][11:16], row["ticks"]) for row in found] == [
        ("NSE:INFY", "09:48", "18"),
        ("NSE:INFY", "09:51", "18"),
        ("NSE:INFY", "09:54", "18"),
        ("NSE:RELIANCE", "09:48", "18"),
        ("NSE:RELIANCE", "09:51", "18"),
        ("NSE:RELIANCE", "09:54", "18"),
    ]
    assert ["open" in row["flags"].split() for row in found] == [False, False, True] * 2


def test_what_is_closed_is_followed_each_once(run_kite, day):
    found = rows(run_kite("bars", "INFY", "--source", day, "--speed", "240", "--follow", "--json"))
    closed = [row["start"][11:16] for row in found if not row["revision"]]
    assert closed == [f"09:{minute}" for minute in range(45, 56)]
    assert len({(row["start"], row["revision"]) for row in found}) == len(found)


def test_no_zone_of_the_host_changes_anything(run_kite, day):
    asked = ("bars", "INFY", "--source", day, "--speed", "0", "--chart", "--count", "8")
    done = run_kite(*asked, env={"COLUMNS": "60", "NO_COLOR": "1", "TZ": "America/New_York"})
    assert done.returncode == 0, done.stderr
    assert "27 Jun 2024" in done.stdout
    assert "09:50" in done.stdout
    assert "IST" in done.stdout
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 60


def test_an_interval_nobody_named_is_built_by_a_feed_that_is_started(run_kite):
    found = rows(run_kite("bars", "INFY", "--sim", "--interval", "2t", "--json", "--count", "1"))
    assert [(row["ticks"], row["interval"]) for row in found] == [(2, "2t")]


# beside a feed in the background


@pytest.fixture(scope="module")
def background(tmp_path_factory):
    """The environment of a feed in the background that builds bars of 100ms, 1s and 1m."""
    if not COMPILED:
        pytest.skip("a feed in the background needs the compiled pass")
    env = {"KITE_RUNTIME_DIR": str(tmp_path_factory.mktemp("run"))}
    built = ("--set", "datafeed.bars=[1s, 1m]")
    _kite(env, *built, "feed", "--sim", "--daemon", "INFY", "RELIANCE", "--mode", "full")
    yield env
    _kite(env, "stop", "--all")


def _kite(env, *arguments):
    command = [sys.executable, "-m", "kitecli", *arguments]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_what_there_is_is_shown_at_once(run_kite, background):
    asked = ("bars", "INFY", "--sim", "--interval", "1s", "--json")
    first = rows(run_kite(*asked, env=background))
    for _ in range(20):  # a quick machine asks more than once within a second
        done = run_kite(*asked, env=background)
        if len(rows(done)) > len(first):
            break
    assert len(rows(done)) > len(first)
    assert rows(done)[: len(first)] == first
    assert "closes at" not in done.stderr
    assert "estimated" not in first[-1]["flags"]


def test_the_bar_at_work_is_followed_as_it_moves(run_kite, background):
    asked = ("bars", "INFY", "--sim", "--interval", "4s", "--count", "0", "--follow", "--forming", "--json")
    found = rows(run_kite(*asked, "--duration", "6", env=background))
    at_work = [(row["start"], row["ticks"]) for row in found if "open" in row["flags"]]
    closed = {row["start"] for row in found if "open" not in row["flags"]}
    assert len(set(at_work)) == len(at_work) > 1, "printed again where a tick came, and only there"
    assert closed & {start for start, _ in at_work}


def test_none_in_time_is_an_error_that_says_so(run_kite, background):
    asked = ("bars", "INFY", "RELIANCE", "--sim", "--interval", "12h", "--duration", "2", "--json")
    done = run_kite(*asked, env=background)
    *said, last = done.stderr.splitlines()
    assert re.search(r"the first 12h bars of NSE:INFY, NSE:RELIANCE close at \d\d:00:00 IST", "\n".join(said))
    error = json.loads(last)
    assert (done.returncode, done.stdout, error["error"]) == (5, "", "feed")
    assert "no 12h bar of NSE:INFY" in error["what"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["INFY", "--sim", "--interval", "150ms"], 2, "100ms, 1s, 1m"),
        (["INFY", "RELIANCE", "--sim", "--chart"], 2, "--table"),
        (["INFI", "--sim"], 5, "NSE:INFY"),
    ],
)
def test_what_cannot_be_had_is_said_with_what_can(run_kite, background, arguments, code, said):
    done = run_kite("bars", *arguments, env=background)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["INFY", "--sim", "--interval", "7x"], 2, "100ms, 5s, 1m"),
        (["INFY", "--sim", "--json", "--csv"], 2, "--csv"),
        (["INFY", "--sim", "--count", "0"], 2, "--follow"),
        (["INFY", "--speed", "60"], 2, "--source"),
        (["INFY"], 4, "KITE_API_KEY"),
        (["--sim"], 2, "SYMBOL"),
    ],
)
def test_mistakes_are_said_with_what_to_do(arguments, code, said):
    done = CliRunner().invoke(app, ["bars", *arguments])
    assert (done.exit_code, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr


def test_ctrl_c_ends_following_well(background):
    with _started(["INFY", "--sim", "--interval", "1s", "--follow", "--json"], background) as process:
        assert json.loads(process.stdout.readline())["instrument"] == "NSE:INFY"
        os.killpg(process.pid, signal.SIGINT)
        _, complaints = process.communicate(timeout=60)
        assert process.returncode == 0, complaints
        assert "Traceback" not in complaints


def test_ctrl_c_while_waiting_is_an_interruption(background):
    with _started(["INFY", "--sim", "--interval", "12h"], background) as process:
        assert any("closes at" in line for line in process.stderr)
        os.killpg(process.pid, signal.SIGINT)
        out, complaints = process.communicate(timeout=60)
        assert (process.returncode, out) == (130, ""), complaints
        assert "Traceback" not in complaints


def _started(arguments, env):
    return subprocess.Popen(
        [sys.executable, "-m", "kitecli", "bars", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
        start_new_session=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
def test_on_a_terminal_a_chart_moves_and_the_last_one_stays(background):
    shown, code = _on_a_terminal(["INFY", "--sim", "--interval", "1s", "--follow"], background, columns=60, lines=16)
    assert code == 0
    assert shown.count("up, ") > 3, "drawn again and again"
    last = shown.rpartition("NSE:INFY 1s;")[2]
    assert "f forming" in last
    assert "IST" in last
    assert "Traceback" not in shown


def _on_a_terminal(arguments, env, columns, lines):
    """What ``kite bars`` writes to a terminal of that size until, with its fifth chart, Ctrl-C is typed."""
    import fcntl
    import pty
    import termios

    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(env, TERM="xterm")
        os.environ.pop("COLUMNS", None)
        os.execv(sys.executable, [sys.executable, "-m", "kitecli", "bars", *arguments])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    written, typed, deadline = b"", False, time.monotonic() + 60
    while time.monotonic() < deadline:
        if not typed and written.count(b"forming") >= 5:
            typed = bool(os.write(terminal, b"\x03"))
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                written += os.read(terminal, 65_536)
            except OSError:  # how Linux tells that the other side is closed
                break
    os.close(terminal)
    return written.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# which exchange is closed


@pytest.mark.parametrize(
    ("label", "now", "words"),
    [
        ("NSE:INFY", "2026-11-22 12:00", "NSE opens Mon 23 Nov 09:15 IST"),
        ("NSE:INFY", "2026-11-23 12:00", ""),
        ("NSE:INFY", "2026-11-23 20:00", "NSE opens Wed 25 Nov 09:15 IST"),
        ("MCX:GOLD", "2026-11-23 20:00", ""),
        ("NSE:INFY", "2031-01-01 12:00", ""),
        ("LME:GOLD", "2026-11-22 12:00", ""),
    ],
)
def test_until_when_an_exchange_is_closed(monkeypatch, label, now, words):
    moment = datetime.fromisoformat(now).replace(tzinfo=IST)
    monkeypatch.setattr(time, "time", moment.timestamp)
    assert closed_until(label) == words


# what suits


@pytest.mark.parametrize(
    ("terminal", "instruments", "form"), [(True, 1, "chart"), (True, 2, "table"), (False, 1, "csv"), (False, 9, "csv")]
)
def test_the_form_that_suits(monkeypatch, terminal, instruments, form):
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: terminal))
    assert suited(BarsWanted(Interval.parse("1m"), 50), instruments).form == form
    assert suited(BarsWanted(Interval.parse("1m"), 50, form="json"), instruments).form == "json"


def test_a_chart_may_be_filled_while_it_is_followed():
    asked = BarsWanted(Interval.parse("1m"), 50, follow=True, fill=True, form="chart")
    assert suited(asked, 1).fill
    with pytest.raises(UsageError, match="--fill"):
        suited(BarsWanted(Interval.parse("1m"), 50, follow=True, fill=True, form="json"), 1)
