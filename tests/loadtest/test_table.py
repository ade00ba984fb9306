"""Tables of runs: one cell each, and how many times the other's figure is ours."""

from __future__ import annotations

from kitecli.loadtest.figures import Process
from kitecli.loadtest.judge import judge
from kitecli.loadtest.slo import parse
from kitecli.loadtest.table import heads, rows, verdict_rows
from tests.loadtest.samples import a_client, a_run


def table(*runs) -> dict[str, tuple[str, ...]]:
    found = rows(runs)
    assert {len(row) for row in found} == {len(heads(runs))}
    return {row[0]: row[1:] for row in found}


def test_one_run_has_a_cell_of_each_figure():
    found = table(a_run(recorded_bytes=1_500_000))
    assert found["ticks/s delivered"] == ("2,000",)
    assert found["latency p99.9, write to handler"] == ("800 us",)
    assert found["private memory, feed process"] == ("45.0 MB",)
    assert found["CPU of one core, feed process"] == ("3.0%",)
    assert found["CPU of one core, exchange"] == ("10.0%",)
    assert found["stage publish, p50 / p99"] == ("5 us / 9 us",)
    assert found["recorded"] == ("1.5 MB",)
    assert not any("stamp" in name for name in found)


def test_two_runs_stand_side_by_side_with_their_ratio():
    theirs = a_run("kiteconnect", clients=(a_client("kiteconnect", *[1_600_000] * 100),))
    found = table(a_run(), theirs)
    assert heads((a_run(), theirs)) == ("", "kite", "kiteconnect", "kiteconnect / kite")
    assert found["latency max, write to handler"] == ("800 us", "1.6 ms", "2.0×")
    assert found["CPU of one core, feed process"] == ("3.0%", "60.0%", "20.0×")
    assert found["CPU of one core, feed and a reader"] == ("5.0%", "60.0%", "12.0×")
    assert found["private memory, feed and a reader"] == ("60.0 MB", "90.0 MB", "1.5×")
    assert found["lost"] == ("0", "0", "")
    assert found["stage publish, p50 / p99"] == ("5 us / 9 us", "–", "")
    assert "recorded" not in found


def test_a_figure_that_the_platform_does_not_tell_is_a_dash():
    found = table(
        a_run(processes=(Process("exchange", None, None, None, None), Process("feed", None, None, None, None)))
    )
    assert found["private memory, feed process"] == ("–",)
    assert found["CPU of one core, exchange"] == ("–",)


def test_verdicts_say_what_was_asked_and_found():
    asked = parse("p99=1ms,lost=0,cpu=1%,memory=60MB")
    run = a_run(clients=(a_client("a", *[32] * 10),))
    assert verdict_rows(judge(run, asked)) == [
        ("p99=1ms", "32 ns", "pass"),
        ("lost=0", "0", "pass"),
        ("cpu=1%", "3.0%", "FAIL"),
        ("memory=60MB", "45.0 MB", "pass"),
    ]
