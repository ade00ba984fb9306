"""What broke: the cause, not what follows from it."""

from __future__ import annotations

import pytest

from kitecli.loadtest.figures import Process
from kitecli.loadtest.judge import judge, notes_of
from kitecli.loadtest.slo import DEFAULT, parse
from tests.loadtest.samples import a_client, a_run

SLOW = a_client("reader 1", *[5_000_000] * 100)


def busy(name: str) -> tuple[Process, ...]:
    return tuple(
        Process(one, 0.95 if one == name else 0.1, 0.0, 1, 1) for one in ("exchange", "feed", "reader 1", "reader 2")
    )


@pytest.mark.parametrize(
    ("changes", "slos", "broke"),
    [
        ({}, DEFAULT, ""),
        ({"clients": (SLOW,)}, DEFAULT, "latency"),
        ({"clients": (SLOW,), "processes": busy("reader 2")}, DEFAULT, "reader"),
        ({"clients": (SLOW,), "processes": busy("feed")}, DEFAULT, "feed"),
        ({"clients": (SLOW,), "processes": busy("exchange")}, DEFAULT, "simulator"),
        ({"sent": 19_000, "clients": (SLOW,)}, DEFAULT, "simulator"),
        ({"sent": 19_000}, DEFAULT, "simulator"),
        ({"sent": 15_000, "withheld": 5_000}, DEFAULT, "feed"),
        ({"clients": (a_client(missing=1),)}, DEFAULT, "feed"),
        ({"clients": (a_client(missing=9, overrun=9),)}, DEFAULT, "reader"),
        ({}, "cpu=2%", "cpu"),
        ({}, "memory=1MB,p99=1ms", "memory"),
    ],
)
def test_what_gave_way(changes, slos, broke):
    judgement = judge(a_run(**changes), parse(slos))
    assert judgement.broke == broke
    assert judgement.passed == (broke == "")


def test_what_must_be_known_of_the_figures_is_noted():
    assert notes_of(a_run()) == []
    (behind,) = notes_of(a_run(sent=10_000))
    assert behind.startswith("the simulated exchange sent 1,000 ticks/s of 2,000")
    (full,) = notes_of(a_run(processes=busy("exchange")))
    assert "used 95% of a core" in full
    (waited,) = notes_of(a_run(processes=(Process("exchange", 0.1, 0.4, 1, 1),)))
    assert "exchange was ready to run and waited for a processor 40% of the time" in waited
    notes = notes_of(a_run(withheld=7, damaged={"empty": 2}, gaps=1))
    assert [note.partition(" ")[0] for note in notes] == ["7", "damaged", "1"]
