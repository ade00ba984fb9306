"""When the rules of a script are due, sans I/O: the clock's nanoseconds and the dice are arguments."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from kitecli.clock import NS_PER_S
from kitecli.sim.faults.kinds import AfterOpen, At, Every, Fault, OnFrame, OnMessage, Rule


@dataclass(slots=True)
class Watch:
    """What the rules say of one connection: seconds after its opening, and numbers of texts and frames."""

    after_open: list[tuple[float, Rule]] = field(default_factory=list)
    on_message: dict[int, list[Rule]] = field(default_factory=dict)
    on_frame: dict[int, list[Rule]] = field(default_factory=dict)


class Schedule:
    """``dice`` draws the jitter: the same seed, the same times."""

    def __init__(self, rules: Iterable[Rule], dice: Random, start_ns: int) -> None:
        self._dice = dice
        self._rules = list(rules)
        self._left = [rule.times for rule in self._rules]
        self._start_ns = start_ns
        self._timed: list[tuple[int, int, int]] = []  # due, place in the script, how often before
        for place, rule in enumerate(self._rules):
            if isinstance(rule.when, At):
                self._push(start_ns + _ns(rule.when.after_s), place, 0)
            elif isinstance(rule.when, Every):
                self._push_next(rule.when, place, 1)

    def next_ns(self) -> int | None:
        """When :meth:`due` will have something again."""
        return self._timed[0][0] if self._timed else None

    def due(self, now_ns: int) -> list[Fault]:
        """The faults whose time has come, in the order of their times."""
        found = []
        while self._timed and self._timed[0][0] <= now_ns:
            _, place, before = heapq.heappop(self._timed)
            rule = self._rules[place]
            if not self.spend(rule):
                continue
            found.append(rule.fault)
            if isinstance(rule.when, Every):
                self._push_next(rule.when, place, before + 1)
        return found

    def watch(self, seat: int) -> Watch:
        """What is to happen on a connection that has just been opened and sits on ``seat``."""
        watch = Watch()
        for rule in self._rules:
            if rule.fault.choice.covers(seat):
                match rule.when:
                    case AfterOpen(after_s):
                        watch.after_open.append((after_s, rule))
                    case OnMessage(number):
                        watch.on_message.setdefault(number, []).append(rule)
                    case OnFrame(number):
                        watch.on_frame.setdefault(number, []).append(rule)
        return watch

    def add(self, rule: Rule) -> None:
        """One more, of connections that are opened from now on."""
        self._rules.append(rule)
        self._left.append(rule.times)

    def spend(self, rule: Rule) -> bool:
        """Count ``rule`` once; False where it has been done as often as it may."""
        place = next(at for at, one in enumerate(self._rules) if one is rule)
        left = self._left[place]
        if left == 0:
            return False
        if left is not None:
            self._left[place] = left - 1
        return True

    def _push_next(self, when: Every, place: int, number: int) -> None:
        """Counted from the start, so that jitter doesn't add up."""
        late_s = self._dice.uniform(0, when.jitter_s)
        self._push(self._start_ns + _ns(when.period_s * number + late_s), place, number)

    def _push(self, due_ns: int, place: int, before: int) -> None:
        heapq.heappush(self._timed, (due_ns, place, before))


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
