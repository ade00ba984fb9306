"""A recording on a terminal or in a service, from its start to its closing figures."""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from kitecli.clock import NS_PER_S, ist
from kitecli.commands._shared import print_json, say
from kitecli.commands._stream import selected, tell
from kitecli.errors import FeedError, KiteError, UsageError
from kitecli.master.sync import master_day
from kitecli.store.folder import trading_day
from kitecli.store.spans import instant_of
from kitecli.terminal.record_lines import Figures, Sample, closing_lines, live_line

if TYPE_CHECKING:
    from rich.status import Status

    from kitecli.gateway.handle import GatewayHandle
    from kitecli.gateway.spec import GatewayEvent, RecordPlan
    from kitecli.market.selection import Selection
    from kitecli.settings import Settings
    from kitecli.wiring import Market, Wanted

BEGIN_S: Final = 15.0
END_S: Final = 15.0
LOOK_S: Final = 1.0
CHOOSE_S: Final = 60.0
SAY_S: Final = 300.0
"""How often a line is printed where nobody watches: a journal is read by the hour."""
AFTER_CLOSE: Final = timedelta(minutes=1)
"""The last packets of a session come behind its end."""


@dataclass(frozen=True, slots=True)
class Until:
    """When a recording ends: after so long, at an instant, with the session, or when somebody ends it."""

    duration_s: float | None = None
    at_s: float | None = None
    session: bool = False

    @classmethod
    def of(cls, duration_s: float | None, until: str, *, session: bool) -> Self:
        """Raises :class:`UsageError` for two ends at once, and for what is no time still to come."""
        if (duration_s is not None) + bool(until) + session > 1:
            raise UsageError("--duration, --until and --session are three ends of one recording", hint="give one")
        return cls(duration_s, _today_at(until) if until else None, session)

    def seconds(self, selection: Selection) -> float | None:
        """How long from now; None: for ever."""
        if self.duration_s is not None:
            return self.duration_s
        at_s = _session_end_s(selection) if self.session else self.at_s
        return None if at_s is None else max(0.0, at_s - time.time())


def record_until(
    end: Until, settings: Settings, market: Market, wanted: Wanted, store: Path | None, *, as_json: bool
) -> None:
    """Record until the end, Ctrl-C, or the feed's own end; then say what there is and whether it is safe."""
    from kitecli.wiring import open_recorded, record_plan

    selection = selected(settings, market, wanted)
    seconds = end.seconds(selection)
    with open_recorded(settings, market) as handle:
        run = _Run(handle, market, partial(selected, settings, market, wanted), as_json=as_json)
        run.begin(record_plan(settings, market, store), selection)
        try:
            run.watch(seconds)
        except KeyboardInterrupt:
            say("")  # the shell's ^C stands on this line
        finally:
            run.end()


class _Run:
    """One recording, watched from beside: the feed's process does it."""

    def __init__(
        self, handle: GatewayHandle, market: Market, choose: Callable[[], Selection], *, as_json: bool
    ) -> None:
        self._handle = handle
        self._market = market
        self._choose = choose
        self._view = _View(as_json=as_json)
        self._held: set[int] = set()
        self._chosen_for = master_day(time.time_ns())
        self._retry_s = 0.0
        self._streamed = False
        self._first = self._last = Sample(time.monotonic(), 0, {})

    def begin(self, plan: RecordPlan, selection: Selection) -> None:
        """Raises what keeps it from being recorded."""
        figures = self._handle.record(plan) or {}
        deadline_s = time.monotonic() + BEGIN_S
        while figures.get("state") != "on":
            event = self._event(deadline_s - time.monotonic())
            if event is None:
                raise FeedError(f"Recording to {plan.store} doesn't begin", why=f"nothing happened in {BEGIN_S:g} s")
            if event.kind == "recording" and event.state in ("refused", "alarm"):
                raise event.failure() or FeedError(f"Recording to {plan.store} was refused")
            self._heed(event)
            figures = {"state": event.state} if event.kind == "recording" else figures
        self._first = self._last = self._sample()
        self._stream(selection)
        count = f"{len(selection):,} instrument{'' if len(selection) == 1 else 's'}"
        say(f"Recording {count} to {plan.store}; Ctrl-C ends it.")

    def watch(self, seconds: float | None) -> None:
        """Until so many seconds have passed, or all there is has come. Raises what ended the feed."""
        deadline_s = None if seconds is None else time.monotonic() + seconds
        with self._view:
            while not self._market.ended():
                left_s = LOOK_S if deadline_s is None else min(LOOK_S, deadline_s - time.monotonic())
                if left_s <= 0:
                    return
                self._hear(left_s)
                former, self._last = self._last, self._sample()
                self._view.show(self._last, former)
                self._choose_again()

    def end(self) -> None:
        """Have all of it on disk, and say so."""
        whole, last = self._unrecorded()
        ticks, elapsed_s = last.ticks - self._first.ticks, time.monotonic() - self._first.at_s
        self._view.close(last.figures, ticks, elapsed_s, whole)

    def _unrecorded(self) -> tuple[bool | None, Sample]:
        """Whether the end was whole, None where it isn't the end; and the last figures."""
        with suppress(KiteError):  # the feed has ended, which ends its recording: what is known is said
            self._last = self._sample()
            if self._handle.unrecord() is not None:
                return None, self._last
            deadline_s = time.monotonic() + END_S
            while (event := self._event(deadline_s - time.monotonic())) is not None:
                if event.kind == "recording" and event.state == "off" and isinstance(event.data, dict):
                    return bool(event.data["whole"]), replace(self._last, figures=event.data)
        return False, self._last

    def _hear(self, seconds: float) -> None:
        deadline_s = time.monotonic() + seconds
        while (event := self._event(deadline_s - time.monotonic())) is not None:
            self._heed(event)

    def _heed(self, event: GatewayEvent) -> None:
        """Say what people need to know. A token refused is waited for only where one has served, or a file brings one;
        a feed that was there before tells first how it stands."""
        tell(event)
        self._streamed = self._streamed or event.state in ("live", "quiet")
        if event.state == "auth" and not self._streamed and self._market.token_file is None:
            raise event.failure() or FeedError("The broker refuses this access token")

    def _event(self, seconds: float) -> GatewayEvent | None:
        """The next thing the feed says, in so many seconds. Raises what ended it."""
        from kitecli.gateway.client import stopped

        try:
            event = self._handle.events.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None
        if event.kind in ("failed", "stopped"):
            raise event.failure() or stopped(event)
        return event

    def _sample(self) -> Sample:
        from kitecli.gateway.handle import recording_of

        stats = self._handle.stats()
        ring = stats["ring"]
        assert isinstance(ring, dict)  # the answer's schema
        return Sample(time.monotonic(), ring["produced"], recording_of(stats) or {})

    def _choose_again(self) -> None:
        """With a new day's instruments: contracts have begun and ended. What can't be had now is tried again."""
        day, now_s = master_day(time.time_ns()), time.monotonic()
        if day == self._chosen_for or self._market.simulated or now_s < self._retry_s:
            return
        self._retry_s = now_s + CHOOSE_S
        try:
            self._stream(self._choose())
        except KiteError as problem:
            say(f"kite: still recording the instruments of {self._chosen_for}: {problem.what}: {problem.why}")
        else:
            self._chosen_for = day

    def _stream(self, selection: Selection) -> None:
        from kitecli.wiring import groups_of

        modes = selection.modes
        gone = self._held - modes.keys()
        if gone:
            self._handle.unsubscribe(gone)
        self._handle.subscribe(modes, groups=groups_of(self._market, modes))
        self._held = set(modes)


class _View:
    """What is seen of it: a line that changes on a terminal, one now and then elsewhere, or JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._line: Status | None = None
        self._said_s = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty() and not self._as_json:
            from rich.console import Console

            self._line = Console(stderr=True).status("recording")
            self._line.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.stop()

    def show(self, sample: Sample, former: Sample) -> None:
        if self._as_json:
            print_json({**sample.figures, "ticks": sample.ticks, **sample.since(former)})
        elif self._line is not None:
            self._line.update(live_line(sample, former))
        elif sample.at_s - self._said_s >= SAY_S:
            self._said_s = sample.at_s
            say(live_line(sample, former))

    def close(self, figures: Figures, ticks: int, elapsed_s: float, whole: bool | None) -> None:
        if self._as_json:
            print_json({"ended": True, "whole": whole, "ticks": ticks, "elapsed_s": round(elapsed_s, 1), **figures})
            return
        for line in closing_lines(figures, ticks, elapsed_s, whole=whole):
            say(line)


def _today_at(text: str) -> float:
    """The next such time of today or of the trading day that lasts, as epoch seconds. Raises :class:`UsageError`."""
    now_ns = round(time.time() * NS_PER_S)
    now = ist(now_ns // NS_PER_S)
    found = [at_ns for day in (trading_day(now_ns), now.date()) if (at_ns := instant_of(day, text)) > now_ns]
    if not found:
        raise UsageError(f"--until {text} has passed", why=f"it is {now:%H:%M} IST", hint="give a later time of today")
    return found[0] / NS_PER_S


def _session_end_s(selection: Selection) -> float:
    """When the last of the instruments' markets closes today. Raises :class:`UsageError` where none will."""
    from kitecli.settings.calendars import load_calendar

    calendar, now = load_calendar(), ist(time.time())
    segments = {label.partition(":")[0] for label in selection.labels.values()} & set(calendar.segments)
    sessions = (session for segment in segments for session in calendar.sessions_on(segment, now.date()))
    ends = [session.close for session in sessions if session.close > now]
    if not ends:
        raise UsageError(
            "Nothing of what is to be recorded trades any more today",
            why=f"it is {now:%H:%M} IST on {now:%A, %d %B}",
            hint="kite calendar shows when it does; without --session it is recorded until Ctrl-C",
        )
    return (max(ends) + AFTER_CLOSE).timestamp()
