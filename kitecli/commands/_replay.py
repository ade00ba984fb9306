"""A replay from its command line to its end: what is played, its keys, its line, what is said of it."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kitecli.clock import NS_PER_S
from kitecli.commands._shared import print_json, say
from kitecli.terminal.numbers import counted

if TYPE_CHECKING:
    from kitecli.replay.gateway import ReplayGateway
    from kitecli.replay.tape import PlayPlan
    from kitecli.settings import Settings
    from kitecli.store.recording import Recording
    from kitecli.terminal.keys import Keys

DRAW_S: Final = 0.2
MINUTES: Final = {"left": -1, "right": 1, "down": -10, "up": 10}
_CLEARED: Final = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class Asked:
    """What stood on the command line."""

    day: str
    symbols: tuple[str, ...]
    speed: float
    from_: str
    to: str
    at_once: bool
    wait: bool
    stay: bool
    past_damage: bool
    store: Path | None


def play(settings: Settings, asked: Asked, *, as_json: bool) -> None:
    """Play it to the readers of this machine; say what there was."""
    from kitecli.replay.process import replay
    from kitecli.ring.location import runtime_dir
    from kitecli.store.recording import Recording
    from kitecli.terminal.keys import pressed_keys
    from kitecli.wiring import replay_facts

    with Recording.open(_place(settings, asked), past_damage=asked.past_damage) as recording:
        plan, facts = _plan(recording, asked), replay_facts(settings, recording)
        started_s = time.monotonic()
        with pressed_keys() as keys:
            screen = Screen(keys, quiet=as_json)
            played = replay(recording, facts, plan, runtime_dir(), screen.watch)
        screen.clear()
    took_s = time.monotonic() - started_s
    if as_json:
        print_json({**asdict(played), "seconds": round(took_s, 3)})
        return
    count = f"{counted(played.ticks)} ticks of {counted(played.frames)} messages, {played.outages} outages"
    how = "to its end" if played.state == "ended" else "not to its end"
    say(f"Played {played.day} {how}: {count}, in {took_s:,.1f} s.")


def serve_recorded(settings: Settings, asked: Asked, *, as_json: bool) -> None:
    """Serve it as a simulated exchange until Ctrl-C."""
    from kitecli.commands.sim import serve
    from kitecli.sim.options import SimOptions

    options = SimOptions(
        source=str(_place(settings, asked)),
        speed=asked.speed,
        start=asked.from_,
        to=asked.to,
        symbols=asked.symbols,
        past_damage=asked.past_damage,
        start_on_subscribe=not asked.at_once,
    )
    serve(options, as_json=as_json)


class Screen:
    """What a terminal shows of a replay, and what its keys do. Where there is none, a line says that it has begun."""

    def __init__(self, keys: Keys, *, quiet: bool) -> None:
        self._keys = keys
        self._draws = sys.stderr.isatty() and not quiet
        self._task: asyncio.Task[None] | None = None

    def watch(self, gateway: ReplayGateway) -> None:
        """Show this gateway from now on; called on its loop."""
        from kitecli.terminal.replay_line import WAITS

        self._keys.watch(lambda key: press(gateway, key))
        if self._draws:
            self._task = asyncio.get_running_loop().create_task(self._draw(gateway))
        else:
            say(f"{gateway.label} {WAITS if gateway.tape.state == 'waiting' else 'plays'}")

    def clear(self) -> None:
        """Take the line away."""
        if self._draws:
            sys.stderr.write(_CLEARED)
            sys.stderr.flush()

    async def _draw(self, gateway: ReplayGateway) -> None:
        from kitecli.terminal.replay_line import replay_line

        ticks, at_s = gateway.ticks, time.monotonic()
        while not gateway.ending:
            await asyncio.sleep(DRAW_S)
            before, ticks = ticks, gateway.ticks
            before_s, at_s = at_s, time.monotonic()
            rate = (ticks - before) / (at_s - before_s)
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(_CLEARED + replay_line(gateway.progress(), ticks, rate, gateway.lost, width))
            sys.stderr.flush()


def press(gateway: ReplayGateway, key: str) -> None:
    """Do what a key stands for; another key does nothing."""
    if key == " ":
        gateway.tape.pause()
    elif key in ("+", "=", "-"):
        gateway.tape.faster(-1 if key == "-" else 1)
    elif key in MINUTES and gateway.tape.pace.begun:  # before, there is no time to count from
        gateway.jump(gateway.tape.at_ns + MINUTES[key] * 60 * NS_PER_S)
    elif key == "q":
        gateway.stop("a key")


def _place(settings: Settings, asked: Asked) -> Path:
    from kitecli.catalogue import recordings_root
    from kitecli.commands._recordings import place_at

    return place_at(asked.day, asked.store or recordings_root(settings))


def _plan(recording: Recording, asked: Asked) -> PlayPlan:
    from kitecli.replay.tape import PlayPlan
    from kitecli.store.instruments import tokens_of
    from kitecli.store.spans import nothing_recorded, span_of

    span, tokens = span_of(recording.day, asked.from_, asked.to), tokens_of(recording, asked.symbols)
    if next(recording.ticks(tokens, span.from_ns, span.to_ns), None) is None:
        raise nothing_recorded(recording.place, span, some=bool(tokens))
    return PlayPlan(
        span.from_ns,
        span.to_ns,
        tokens,
        asked.speed,
        at_once=asked.at_once,
        waits=asked.wait,
        stays=asked.stay,
    )
