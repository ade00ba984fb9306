"""What a gateway records: the feed hands its messages in, a thread opens and closes the day's files beside it.

Nothing here waits for a disk on the feed's loop. What goes wrong there is an alarm: an event, and ``status``; the feed
goes on, and recording begins again by itself as soon as it can.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from kitecli.errors import EnvironmentProblem, KiteError, UsageError
from kitecli.feed.subscriptions import Update
from kitecli.gateway.kernel_clock import clock_offset
from kitecli.gateway.spec import GatewayEvent, RecordPlan, told
from kitecli.market.gap import Gap
from kitecli.master.store import MasterStore
from kitecli.store.background import Sealing
from kitecli.store.folder import trading_day
from kitecli.store.recorder import Recorder, StoreHold
from kitecli.store.writer import StoreSettings

Result = TypeVar("Result")

BEGIN_S: Final = 2.0
LOOK_S: Final = 0.25
"""How soon an alarm is told, and a day's end seen."""
RETRY_S: Final = 5.0
MASTER_LOOK_S: Final = 30.0
LACKING_S: Final = 5.0
"""For so long after the last message that found no room."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a feed stands when a recording begins: which instruments keep hours of their own, what each connection
    streams, token → mode, and what outages last."""

    placed: Mapping[int, int] = field(default_factory=dict)
    streams: tuple[Mapping[int, str], ...] = ()
    outages: tuple[Gap, ...] = ()


class DayFiles:
    """One store's files, on a thread that may wait for them. What is open is known even if nobody waits for it."""

    def __init__(self, plan: RecordPlan, about: Mapping[str, object], now_ns: Callable[[], int]) -> None:
        self.plan = plan
        self._master = ""
        self._about = about
        self._now_ns = now_ns
        self._hold: StoreHold | None = None
        self._open: list[Recorder] = []
        self._sealing = Sealing(Path(plan.store))

    def begin(self, day: date) -> Recorder:
        """A day's recorder. Raises :class:`KiteError`, and nothing has changed."""
        if self._hold is None:
            self._hold = StoreHold.take(Path(self.plan.store))
        try:
            recorder = Recorder(
                self._hold,
                day,
                master=self._newest_master(),
                settings=_settings(self.plan),
                about=lambda: self._about,
                now_ns=self._now_ns,
            )
        except BaseException:
            self._let_go()
            raise
        self._open.append(recorder)
        return recorder

    def renew_master(self) -> None:
        """Go on with the newest instruments that are kept. Raises :class:`KiteError`."""
        former = self._master
        csv = self._newest_master()
        if csv is not None and self._master != former:
            self._open[-1].use_master(csv)

    def seal(self) -> None:
        """Have what is ended packed, by a process that goes on while the caller does something else."""
        if self.plan.seal and self._open:
            self._sealing.look(self._open[-1].status.path)

    def end(self, recorder: Recorder) -> bool:
        """Write what waits and end its file, to be packed with nobody waiting; False where the disk won't have it."""
        self._open.remove(recorder)
        whole = recorder.close()
        self._let_go()
        if self.plan.seal and not self._open:
            self._sealing.finish()
        return whole

    def end_all(self) -> bool:
        """End every day's files; whether the disk has had all of it."""
        whole = [self.end(recorder) for recorder in tuple(self._open)]
        self._let_go()
        return all(whole)

    def _let_go(self) -> None:
        if self._hold is not None and not self._open:
            self._sealing.close()
            self._hold.release()
            self._hold = None

    def _newest_master(self) -> bytes | None:
        masters = MasterStore(Path(self.plan.masters)) if self.plan.masters else None
        state = masters.state() if masters else None
        if masters is None or state is None:
            return None
        self._master = state.digest
        return masters.csv(date.fromisoformat(state.day))


class FeedRecording:
    """Belongs to the feed's loop. ``say`` gets its events, ``standing`` is asked when a day's files begin.

    ``append(payload, ts_recv_ns, connection)`` takes every binary message, whether or not anything is recorded.
    """

    def __init__(
        self,
        say: Callable[[GatewayEvent], None],
        standing: Callable[[], Standing],
        about: Mapping[str, object],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._say = say
        self._standing = standing
        self._about = about
        self._now_ns = now_ns
        self._holders: dict[int, RecordPlan] = {}
        self._lasting: set[int] = set()
        self._files: DayFiles | None = None
        self._recorder: Recorder | None = None
        self._leaving: list[Recorder] = []
        self._day = date.min
        self._begun_ns = self._begun_records = 0
        self._thread = ThreadPoolExecutor(1, "recording")
        self._changed, self._settled = asyncio.Event(), asyncio.Event()
        self._retry_s = self._master_s = self._lacking_s = 0.0
        self._unrecorded = 0
        self._alarm: KiteError | None = None
        self._unmade: KiteError | None = None
        self.append: Callable[[memoryview | bytes, int, int], object] = _nowhere

    def want(self, holder: int, plan: RecordPlan, *, lasting: bool = False) -> None:
        """Record for ``holder`` too; ``lasting``: try again for as long as it can't be done.

        :raises UsageError: it is recorded elsewhere already.
        """
        held = next(iter(self._holders.values()), plan)
        if held.store != plan.store:
            raise UsageError(
                f"This feed is recorded to {held.store} already",
                why="a feed is recorded once, whoever asks",
                hint=f"leave out --store {plan.store}, or end what records there",
            )
        self._holders[holder] = held
        if lasting:
            self._lasting.add(holder)
        self._changed.set()

    def let_go(self, holder: int) -> None:
        """``holder`` doesn't need it any more; with the last one, recording ends."""
        self._lasting.discard(holder)
        if self._holders.pop(holder, None) is not None:
            self._changed.set()

    async def settled(self) -> None:
        """Until what was wanted at the start records, or doesn't: the first messages are worth waiting a little for."""
        if self._holders:
            with suppress(TimeoutError):
                async with asyncio.timeout(BEGIN_S):
                    await self._settled.wait()

    @property
    def on(self) -> bool:
        """Whether what comes is recorded."""
        return self._recorder is not None

    async def run(self) -> None:
        """Begin, watch, go on with a new day, and end, as it is wanted. Never raises what a disk did."""
        while True:
            try:
                await self._look()
            except Exception as cause:  # noqa: BLE001 - the feed is worth more than its recording
                self._failed(told(cause))
            self._settled.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._changed.wait()
            self._changed.clear()

    def close(self) -> None:
        """Write and end everything, while the caller waits."""
        self.append, self._recorder = _nowhere, None
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._files is not None:
            self._files.end_all()

    def subscribed(self, connection: int, update: Update) -> None:
        """What is about to be asked of the broker."""
        if self._recorder is None:
            return
        now_ns = self._now_ns()
        asked: dict[int, str | None] = {**dict.fromkeys(update.gone), **update.fresh}
        if asked:
            self._recorder.append_subscribed(asked, now_ns, connection)
        if update.again:
            self._recorder.append_streaming(update.again, now_ns, connection)

    def gap(self, gap: Gap) -> None:
        """An outage, when it begins and when it ends."""
        if self._recorder is not None:
            self._recorder.append_gap(gap, self._now_ns())

    def placed(self, timelines_of: Mapping[int, int]) -> None:
        """Instruments keep other hours than their segment."""
        if self._recorder is not None:
            self._recorder.append_placed(timelines_of, self._now_ns())

    def timer(self, now_ns: int, rows: int) -> None:
        """The bars due now are closed, of so many instruments."""
        if self._recorder is not None:
            self._recorder.append_timer(now_ns, rows)

    def greeting(self) -> GatewayEvent | None:
        """How things stand, for a client that has just come."""
        error = self._alarm.as_dict() if self._alarm else {}
        data = self.status()
        return GatewayEvent("recording", state=self._state(), data=data, error=error) if data else None

    def status(self) -> dict[str, object] | None:
        """docs/control-socket.md has the fields; None where nobody wants it recorded."""
        if not self._holders:
            return None
        plan = self._files.plan if self._files else next(iter(self._holders.values()))
        error = self._alarm.as_dict() if self._alarm else None
        head = {"state": self._state(), "store": plan.store, "level": plan.level, "error": error}
        return {**head, **(self._figures(self._recorder, plan) if self._recorder else {})}

    def _figures(self, recorder: Recorder, plan: RecordPlan) -> dict[str, object]:
        status = recorder.status
        return {
            "day": self._day.isoformat(),
            "path": str(status.path),
            "since_ns": self._begun_ns,
            "records": status.acknowledged.process - self._begun_records,
            "acknowledged": {"process": status.acknowledged.process, "power": status.acknowledged.power},
            "bytes": status.written_bytes,
            "unrecorded": status.unrecorded,
            "unrecorded_bytes": status.unrecorded_bytes,
            "free_bytes": status.free_bytes,
            "waiting_bytes": status.waiting_bytes,
            "floor_bytes": plan.floor_bytes,
        }

    def _state(self) -> str:
        if self._alarm is not None:
            return "alarm"
        return "on" if self._recorder is not None else "starting"

    async def _look(self) -> None:
        if not self._holders:
            await self._end()
            return
        now_s, today = time.monotonic(), trading_day(self._now_ns())
        if (self._recorder is None or self._day != today) and now_s >= self._retry_s:
            await self._begin(today)
        elif self._recorder is not None and now_s >= self._master_s:
            self._master_s = now_s + RETRY_S
            self._note_clock(self._recorder)
            await self._off_loop(self._files_of().renew_master)
            await self._off_loop(self._files_of().seal)  # not at once: a feed's first seconds are its busiest
            self._master_s, self._unmade = now_s + MASTER_LOOK_S, None
        await self._end_former()
        self._judge(now_s)

    async def _begin(self, day: date) -> None:
        """Take the day's files into use; those of the day before end after it: nothing falls between."""
        self._retry_s = time.monotonic() + RETRY_S
        files = self._files_of()
        recorder: Recorder = await self._off_loop(lambda: files.begin(day))
        former, self._recorder, self._day = self._recorder, recorder, day
        self._begun_ns, self._begun_records = self._now_ns(), recorder.acknowledged.process
        self._unrecorded = 0
        self._note_standing(recorder)
        self._note_clock(recorder)
        self.append = recorder.append
        self._master_s, self._retry_s = time.monotonic() + MASTER_LOOK_S, 0.0
        self._leaving += [former] if former is not None else []
        self._alarm, self._unmade = self._cause_of_leaving(), None
        self._tell(self._state())

    async def _end_former(self) -> None:
        """End the day before, unless its disk won't have it now: what came of it stays in memory until that has passed.

        Ended on a full disk, the day would lose that, and what says since when messages are missing.
        """
        files = self._files_of()
        for former in [each for each in self._leaving if each.alarm is None]:
            self._leaving.remove(former)
            if not await self._off_loop(partial(files.end, former)):
                self._unmade = _not_whole(former.status.path)

    def _cause_of_leaving(self) -> KiteError | None:
        return next((each.alarm.cause for each in self._leaving if each.alarm is not None), None)

    def _note_standing(self, recorder: Recorder) -> None:
        standing = self._standing()
        if standing.placed:
            recorder.append_placed(standing.placed, self._begun_ns)
        for connection, modes in enumerate(standing.streams):
            if modes:
                recorder.append_streaming(modes, self._begun_ns, connection)
        for gap in standing.outages:
            recorder.append_gap(gap, self._begun_ns)

    def _note_clock(self, recorder: Recorder) -> None:
        offset = clock_offset()
        if offset is not None:
            recorder.append_clock(offset, self._now_ns())

    async def _end(self) -> None:
        recorder, files, error = self._recorder, self._files, self._alarm
        self.append = _nowhere
        self._recorder = self._alarm = self._unmade = None
        if recorder is not None and files is not None:
            self._leaving.clear()
            whole = await self._off_loop(files.end_all)
            figures = {**self._figures(recorder, files.plan), "whole": whole}
            said = error.as_dict() if error and not whole else {}
            self._say(GatewayEvent("recording", state="off", data=figures, error=said))
        self._files = None

    def _judge(self, now_s: float) -> None:
        """Whether anything of what comes isn't recorded."""
        recorder = self._recorder
        if recorder is None:
            return
        if recorder.unrecorded > self._unrecorded:
            self._unrecorded, self._lacking_s = recorder.unrecorded, now_s + LACKING_S
        alarm = recorder.alarm
        slow = _too_slow(recorder.status.path) if now_s < self._lacking_s else None
        before, self._alarm = self._alarm, alarm.cause if alarm else self._cause_of_leaving() or self._unmade or slow
        if self._alarm is not None and before is None:
            self._tell("alarm")
        elif self._alarm is None and before is not None:
            self._tell("on")

    def _failed(self, error: KiteError) -> None:
        """It couldn't begin, or a day's files couldn't be changed for the next one's."""
        before, self._alarm, self._unmade = self._alarm, error, error
        if self._recorder is None and not self._lasting:
            self._holders.clear()
            self._tell("refused")
        elif before is None:
            self._tell("alarm")

    def _tell(self, state: str) -> None:
        error = self._alarm.as_dict() if self._alarm else {}
        self._say(GatewayEvent("recording", state=state, data=self.status(), error=error))

    def _files_of(self) -> DayFiles:
        if self._files is None:
            self._files = DayFiles(next(iter(self._holders.values())), self._about, self._now_ns)
        return self._files

    async def _off_loop(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def _nowhere(*_: object) -> None:
    """Where messages go that nobody wants recorded."""


def _settings(plan: RecordPlan) -> StoreSettings:
    """At the level ``process`` the disk is waited for only where a file ends, or memory holds enough."""
    usual = StoreSettings()
    sync_s = plan.flush_s if plan.level == "power" else usual.segment_s
    return replace(usual, sync_interval_s=sync_s, floor_bytes=plan.floor_bytes)


def _not_whole(path: Path) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{path} couldn't be ended",
        why="the disk didn't take the last of the day before",
        hint="look at the disk; kite data verify says what is there",
    )


def _too_slow(path: Path) -> EnvironmentProblem:
    return EnvironmentProblem(
        "Messages found no room in the recording",
        why=f"the disk of {path} is slower than the feed",
        hint="look at the disk, or record fewer instruments; what is missing is in the recording as an outage",
    )
