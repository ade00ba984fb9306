"""``kite record`` as a user runs it, and what the settings have recorded without it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from kitecli.cli import app
from kitecli.clock import IST
from kitecli.commands._record import Until
from kitecli.errors import UsageError
from kitecli.hot import COMPILED
from kitecli.store.layout import END, END_BYTES, FRAME, SUBSCRIBED
from kitecli.store.recorder import StoreHold
from kitecli.store.recording import Recording
from tests.store.independent_reader import read_day

RAW = ("--set", "datafeed.store_seal=false")

shared = pytest.mark.skipif(not COMPILED, reason="a feed in the background needs the compiled pass")


@pytest.fixture
def environment(tmp_path):
    return {"KITE_RUNTIME_DIR": str(tmp_path / "run"), "KITE_DATA_DIR": str(tmp_path / "data")}


@pytest.fixture
def kite(run_kite, environment):
    """``kite(ARGUMENTS…)`` with folders of the test's own; whatever still runs is ended. Recordings stay raw."""
    yield lambda *arguments: run_kite(*RAW, *arguments, env=environment)
    run_kite("stop", "--all", env=environment)


def day_of(store):
    (day,) = store.glob("20*")
    return day


def frames(store):
    return [record for record in read_day(day_of(store)) if record.kind == FRAME]


def ended(store):
    """Whether the last file says that nothing follows."""
    return max(day_of(store).glob("*.kseg")).read_bytes()[4 - END_BYTES] == END


def test_a_recording_says_what_it_has_and_is_whole(kite, tmp_path):
    store = tmp_path / "store"
    said = kite("record", "--sim", "INFY", "TCS", "SBIN", "--mode", "full", "--store", str(store), "--duration", "2")
    assert said.returncode == 0, said.stderr
    assert said.stdout == ""
    assert f"Recording 3 instruments to {store}" in said.stderr
    assert said.stderr.endswith("All of it is on disk.\n")
    assert f"to {day_of(store)}\n" in said.stderr
    assert len(frames(store)) > 2
    assert ended(store)
    assert len(list(day_of(store).glob("master-*.csv.gz"))) == 1
    again = kite("record", "--sim", "INFY", "--store", str(store), "--duration", "1.5", "--json")
    *samples, last = map(json.loads, again.stdout.splitlines())
    assert (last["ended"], last["whole"], last["unrecorded"]) == (True, True, 0)
    assert samples[0]["state"] == "on"
    assert last["acknowledged"]["power"] == last["acknowledged"]["process"] == sum(1 for _ in read_day(day_of(store)))


def test_without_the_compiled_parts_a_recording_is_the_same(run_kite, environment, tmp_path):
    """The feed is a thread of ``kite record`` then; what it wrote is read by the reference, and by what is there."""
    store = tmp_path / "store"
    asked = (
        *RAW,
        "record",
        "--sim",
        "INFY",
        "TCS",
        "--mode",
        "full",
        "--store",
        str(store),
        "--duration",
        "1",
        "--json",
    )
    said = run_kite(*asked, env={**environment, "KITE_PURE": "1"})
    assert said.returncode == 0, said.stderr
    last = json.loads(said.stdout.splitlines()[-1])
    records = list(read_day(day_of(store)))
    assert (last["whole"], last["unrecorded"], last["acknowledged"]["power"]) == (True, 0, len(records))
    assert ended(store)
    assert {record.connection for record in records} == {0}
    with Recording.open(day_of(store)) as day:
        assert [(*each[:4], bytes(each.payload)) for each in day.records()] == [
            (one.number, one.kind, one.connection, one.ts_recv_ns, one.payload) for one in records
        ]
        ticks = day.array().ticks
    assert set(ticks["token"].tolist()) == {408065, 2953217}
    assert 0 < last["ticks"] <= ticks.size


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C as a signal")
def test_ctrl_c_ends_it_with_everything_on_disk(tmp_path, environment):
    store = tmp_path / "store"
    command = [sys.executable, "-m", "kitecli", *RAW, "record", "--sim", "--store", str(store), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    last = json.loads(out.splitlines()[-1])
    assert last["whole"] is True
    assert last["acknowledged"]["power"] == sum(1 for _ in read_day(day_of(store)))
    assert ended(store)


@shared
def test_it_joins_a_running_feed_which_goes_on_without_it(kite, tmp_path):
    store = tmp_path / "store"
    began = json.loads(kite("feed", "--sim", "--daemon", "INFY", "--json").stdout)
    assert kite("status", "--json").stdout.count('"recording": null') == 1
    said = kite("record", "--sim", "TCS", "--store", str(store), "--duration", "1")
    assert said.returncode == 0, said.stderr
    (feed,) = json.loads(kite("status", "--json").stdout)["feeds"]
    assert (feed["pid"], feed["recording"]) == (began["pid"], None)
    kinds = [record.kind for record in read_day(day_of(store))]
    assert SUBSCRIBED in kinds, "TCS is asked for after recording has begun"


@shared
def test_the_settings_have_any_feed_recorded_and_status_says_so(kite, tmp_path):
    root = tmp_path / "kept"
    asked = ("--set", "performance.store_ticks=true", "--set", f"datafeed.store_folder={root}")
    feed = kite(*asked, "--set", "datafeed.tick_storage_format=binary", "feed", "--sim", "--daemon", "INFY")
    assert feed.returncode == 0, feed.stderr
    assert f"recording\ton, to {root / 'sim'}" in kite("status").stdout
    other = kite("record", "--sim", "TCS", "--store", str(tmp_path / "other"), "--duration", "1")
    assert other.returncode == 2
    assert "recorded to" in other.stderr
    joined = kite(*asked, "record", "--sim", "TCS", "--duration", "1")
    assert "The feed goes on recording, for others." in joined.stderr
    kite("stop")
    assert len(frames(root / "sim")) > 1
    assert ended(root / "sim")


def test_an_invented_market_is_recorded_only_where_somebody_asks_for_it(kite, tmp_path):
    """store_ticks is true by default; a demonstration that fills a disk helps nobody."""
    assert kite("feed", "--sim", "INFY", "--duration", "1", "--json").returncode == 0
    assert not (tmp_path / "data" / "recordings").exists()


def test_a_store_that_another_process_records_to_is_refused(kite, tmp_path):
    hold = StoreHold.take(tmp_path / "store")
    try:
        refused = kite("record", "--sim", "INFY", "--store", str(tmp_path / "store"), "--duration", "1", "--json")
    finally:
        hold.release()
    assert refused.returncode == 6
    error = json.loads(refused.stderr.splitlines()[-1])
    assert error["error"] == "recording-held"
    assert str(os.getpid()) in error["why"]


def test_options_that_contradict_each_other_are_refused():
    for arguments, said in (
        (("--duration", "1", "--session"), "three ends"),
        (("--print",), "--install-service"),
        (("--instruments", "5"), "add --sim"),
        (("--until", "noon"), "'noon' is no time"),
    ):
        refused = CliRunner().invoke(app, ["record", *arguments])
        assert (refused.exit_code, said in refused.stderr) == (2, True), refused.stderr


def test_a_time_of_today_is_indian(monkeypatch):
    now = datetime(2026, 11, 23, 10, 0, tzinfo=IST)
    monkeypatch.setattr(time, "time", now.timestamp)
    assert Until.of(None, "15:40", session=False).seconds(None) == timedelta(hours=5, minutes=40).total_seconds()
    with pytest.raises(UsageError, match="has passed"):
        Until.of(None, "09:59", session=False)
    with pytest.raises(UsageError, match="has passed"):
        Until.of(None, "04:29+00:00", session=False)
    assert Until.of(None, "12:00+00:00", session=False).seconds(None) == timedelta(hours=7.5).total_seconds()
    assert Until.of(None, "00:30", session=False).seconds(None) == timedelta(hours=14.5).total_seconds()
    monkeypatch.setattr(time, "time", now.replace(hour=4).timestamp)
    assert Until.of(None, "05:00", session=False).seconds(None) == timedelta(hours=1).total_seconds()
    assert Until.of(None, "15:40", session=False).seconds(None) == timedelta(hours=11, minutes=40).total_seconds()
    assert Until.of(7.0, "", session=False).seconds(None) == 7.0
    assert Until.of(None, "", session=False).seconds(None) is None


class Labelled:
    """A selection of names."""

    def __init__(self, *names):
        self.labels = dict(enumerate(names))


@pytest.mark.parametrize(
    ("names", "ends"), [(["NSE:INFY"], "16:00"), (["NSE:INFY", "MCX:GOLD26DECFUT"], "23:55")], ids=["NSE", "MCX"]
)
def test_a_session_ends_when_the_last_of_its_markets_has_closed(monkeypatch, names, ends):
    now = datetime(2026, 11, 23, 10, 0, tzinfo=IST)
    monkeypatch.setattr(time, "time", now.timestamp)
    seconds = Until.of(None, "", session=True).seconds(Labelled(*names))
    over = now + timedelta(seconds=seconds)
    assert f"{over - timedelta(minutes=1):%d %H:%M}" == f"23 {ends}"


def test_a_holiday_has_no_session(monkeypatch):
    monkeypatch.setattr(time, "time", datetime(2026, 11, 22, 6, 0, tzinfo=UTC).timestamp)
    with pytest.raises(UsageError, match="Nothing of what is to be recorded trades"):
        Until.of(None, "", session=True).seconds(Labelled("NSE:INFY"))
