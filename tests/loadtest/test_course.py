"""The whole of a load test over made-up runs: what is run, in which order, at which rates."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from kitecli.clock import IST
from kitecli.loadtest import course
from kitecli.loadtest.course import Asked, load_test, machine
from kitecli.loadtest.slo import DEFAULT, parse
from kitecli.settings import load
from tests.loadtest.samples import PLAN, a_client, a_run

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=IST)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """A machine that loses ticks above 5/s of each instrument."""
    ran: list[tuple[str, float]] = []

    def run_load(plan, settings, contender, tell):
        ran.append((contender, plan.rate))
        tell("measuring", 0.5)
        lost = 10 if plan.rate > 5 else 0
        return (
            a_run(contender, asked_per_s=plan.ticks_per_s, sent=round(plan.ticks_per_s * 10))
            if not lost
            else a_run(
                contender,
                asked_per_s=plan.ticks_per_s,
                sent=round(plan.ticks_per_s * 10),
                clients=(a_client(missing=lost),),
            )
        )

    monkeypatch.setattr(course, "run_load", run_load)
    return ran


def test_the_official_client_runs_after_ours_on_the_same_load(ran):
    told = []
    outcome = load_test(Asked(PLAN, parse(DEFAULT), ("kiteconnect",)), load(), NOW, lambda *said: told.append(said))
    assert ran == [("kite", 2.0), ("kiteconnect", 2.0)]
    assert outcome.passed
    assert outcome.at == "22 Nov 2026 10:00:00 IST"
    assert told == [("kite: measuring", 0.5), ("kiteconnect: measuring", 0.5)]


def test_a_search_ends_with_the_run_of_the_highest_rate_that_held(ran):
    outcome = load_test(Asked(PLAN, parse(DEFAULT), ("kiteconnect",), find_max=True), load(), NOW, lambda *_: None)
    assert outcome.limit is not None
    assert 4.5 < outcome.limit.held <= 5 < outcome.limit.broke_at
    assert outcome.plan.rate == outcome.limit.held
    assert outcome.runs[0].asked_per_s == outcome.limit.held * PLAN.instruments
    assert ran[-1] == ("kiteconnect", outcome.limit.held)
    assert outcome.passed


def test_a_search_in_vain_keeps_the_last_run(ran):
    outcome = load_test(Asked(replace(PLAN, rate=1000.0), parse(DEFAULT), find_max=True), load(), NOW, lambda *_: None)
    assert not outcome.passed
    assert outcome.runs[0].lost == 10


def test_the_machine_is_named():
    assert {"processors", "Python", "numpy"} <= set(machine())
