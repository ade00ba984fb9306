"""``kite record`` on a disk that another process fills: ``python -m tests.chaos.recording_feed_on_tmpfs FOLDER RUNS``.

Run in a mount namespace of its own; mounts the disk below FOLDER. Every process is one that people start: the exchange,
``kite record`` with its feed, ``kite feed`` beside it, and what takes the room. Prints one line of JSON. The exchange
counts each instrument's messages up, so that what isn't there shows, whoever lost it.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np

from kitecli.archive.outages import outages
from kitecli.broker.rest import BrokerSession
from kitecli.catalogue import todays_book
from kitecli.secret import Secret
from kitecli.sim.launcher import SimProcess, launch
from kitecli.sim.options import SimOptions
from kitecli.store.recording import Recording
from tests.auth.exchanges import variables_of
from tests.chaos.counted import COUNTED, PACKET, counted, full_frames, leaps

DISK_MB = 256
PATIENCE_S = 90.0
OPTIONS = SimOptions(source="load", instruments=2_000, rate=5, rate_limits=False)
"""1.9 MB a second: memory lasts for eight seconds, and the disk for two minutes."""
READ = 20
"""Instruments of the reader beside it, which passes over the others."""
FILL = "dd if=/dev/zero of={0} bs=64k; dd if=/dev/zero of={0}.rest bs=4k"
OTHERS = 200 / 1e9
"""A nanosecond, and more than there are: records that hold no packets, heartbeats and timers, count as missing too."""
ALL = ("--universe", "*:*", "--mode", "full")


class Folder:
    """Where all of it stands, and how kite is run there."""

    def __init__(self, root: Path, sim: SimProcess) -> None:
        self.disk, self.store = root / "disk", root / "disk" / "store"
        self._filler = self.disk / "filler"
        self.out = root / "out"
        self._env = {**os.environ, **variables_of(sim, root), "KITE_ACCESS_TOKEN": sim.access_token}
        self._log = root / "data" / "logs" / "kite.log"

    def begun(self, *words: str, **pipes: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "kitecli", "--set", "datafeed.store_keep_free=0", *words]
        return subprocess.Popen(command, text=True, env=self._env, **pipes)

    def said(self, *words: str) -> dict | list:
        with self.begun(*words, "--json", stdout=subprocess.PIPE) as process:
            out = process.communicate(timeout=PATIENCE_S)[0]
        assert process.returncode == 0, (words, process.returncode)
        return json.loads(out)

    def fill(self) -> float:
        """Have another process take all the room; returns when it had."""
        subprocess.run(FILL.format(self._filler), shell=True, check=False, stderr=subprocess.DEVNULL)
        return time.time()

    def empty(self) -> None:
        for path in self.disk.glob("filler*"):
            path.unlink()

    def log(self, since_s: float, component: str) -> list[dict]:
        """What a component has written down since then."""
        lines = map(json.loads, self._log.read_text().splitlines()) if self._log.exists() else iter(())
        return [line for line in lines if line["component"] == component and at(line) >= since_s]

    def clear(self) -> None:
        shutil.rmtree(self.store)
        self._log.unlink()


def at(line: dict) -> float:
    return datetime.fromisoformat(line["at"]).timestamp()


def until(what: str, condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.05)


@contextmanager
def running(folder: Folder, name: str, *words: str) -> Iterator[Output]:
    """A command whose output goes into a file; ended by Ctrl-C, and well."""
    with (folder.out / name).open("w") as out, folder.begun(*words, stdout=out, stderr=subprocess.PIPE) as process:
        try:
            yield Output(folder.out / name, process)
            assert process.poll() is None, (words, process.communicate()[1])
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=PATIENCE_S)[1]
            assert process.returncode == 0, (words, process.returncode, said)
        finally:
            process.kill()


class Output:
    """What a running command has printed so far."""

    def __init__(self, path: Path, process: subprocess.Popen[str]) -> None:
        self._path = path
        self.process = process

    def lines(self) -> list[str]:
        return self._path.read_text().splitlines()


def one_run(folder: Folder, tokens: list[str]) -> dict[str, float]:
    """Record, run out of room for longer than memory lasts, and go on; returns what was seen."""
    began_s = time.time()
    whole = ("record", *ALL, "--store", str(folder.store), "--json")
    with running(folder, "recorded", *whole) as recording:
        until("recording", recording.lines)
        with running(folder, "read", "feed", *tokens, "--mode", "full", "--csv") as reading:
            until("reading", lambda: len(reading.lines()) > 1)
            found = outlived(folder, began_s)
    until(
        "the feed's end", lambda: any(line.get("event") == "ends" for line in folder.log(began_s, "feed"))
    )  # no signal ended it
    last = json.loads(recording.lines()[-1])
    return {**found, **missed(folder, last), "lost_by_reader": float(unread(reading.lines()))}


def outlived(folder: Folder, began_s: float) -> dict[str, float]:
    time.sleep(0.5)
    full_s = folder.fill()
    until("an alarm", lambda: states(folder, began_s)[-1:] == ["alarm"])
    alarm_s = at(folder.log(began_s, "recording")[-1]) - full_s
    (status,) = folder.said("status")["feeds"]
    shown = status["recording"]["state"] == folder.said("stats", "--once")["recording"]["state"] == "alarm"
    until("memory is full", lambda: folder.said("stats", "--once")["recording"]["unrecorded"])
    folder.empty()
    empty_s = time.time()
    until("recording again", lambda: folder.said("stats", "--once")["recording"]["state"] == "on")
    again_s = at(folder.log(began_s, "recording")[-1]) - empty_s
    return {"alarm_s": alarm_s, "shown": float(shown), "again_s": again_s}


def states(folder: Folder, began_s: float) -> list[str]:
    return [line["state"] for line in folder.log(began_s, "recording") if line.get("event") == "recording"]


def missed(folder: Folder, last: dict) -> dict[str, float]:
    """What isn't in the recording was counted to the byte, and lies in the one outage that ``kite data gaps`` names."""
    (day,) = folder.store.glob("20*")
    named = folder.said("data", "gaps", day.name, "--store", str(folder.store))
    with Recording.open(day) as recording:
        (outage,) = outages(recording.gaps())
        found = leaps(counted(full_frames(recording)))
    told = len(named) == 1 and "found no room" in named[0]["cause"]
    astray = (found["to_ns"] < outage.from_ns) | (found["from_ns"] > outage.to_ns)
    packets = int(found["count"].sum())
    uncounted = PACKET.itemsize * packets + 2 * last["unrecorded"] - last["unrecorded_bytes"]
    lost = not last["whole"] or bool(astray.any()) or uncounted > 2 * (outage.to_ns - outage.from_ns) * OTHERS
    return {"told": float(told), "lost": float(lost), "unrecorded": last["unrecorded"], "packets": packets}


def unread(lines: list[str]) -> int:
    """Packets that the reader beside the recording didn't get."""
    rows = [row for row in csv.DictReader(lines) if row["snapshot"] == "False"]
    found = np.zeros(len(rows), COUNTED)
    found["token"] = [int(row["instrument_token"]) for row in rows]
    found["volume"] = [int(row["volume_traded"]) for row in rows]
    return int(leaps(found)["count"].sum())


def main(root: Path, runs: int) -> dict[str, float]:
    for folder in (root / "disk", root / "out"):
        folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", root / "disk"], check=True)
    seen = []
    with launch(OPTIONS) as sim:
        folder = Folder(root, sim)
        book = todays_book(BrokerSession(sim.api_url, sim.api_key, Secret(sim.access_token)))
        tokens = [str(row.instrument_token) for row in book][:READ]
        for _ in range(runs):
            seen.append(one_run(folder, tokens))
            print(seen[-1], file=sys.stderr)
            folder.clear()
    added = ("shown", "told", "lost", "lost_by_reader", "unrecorded", "packets")
    most = {f"{name}_max": round(max(one[name] for one in seen), 3) for name in ("alarm_s", "again_s")}
    return {"runs": runs, **{name: sum(one[name] for one in seen) for name in added}, **most}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
