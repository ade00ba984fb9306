"""Targets are read with their units, and held against figures."""

from __future__ import annotations

import pytest

from kitecli.errors import UsageError
from kitecli.loadtest.slo import DEFAULT, judged, parse


def test_targets_come_in_their_units():
    found = {slo.name: slo.most for slo in parse("p99=1ms, lost=0,cpu=5%,memory=60MB,avg=250us,p99.9=2s,max=10ns")}
    assert found == pytest.approx(
        {"p99": 1e6, "lost": 0, "cpu": 0.05, "memory": 60e6, "avg": 250e3, "p99.9": 2e9, "max": 10}
    )
    assert [slo.text for slo in parse(DEFAULT)] == ["p99=1ms", "lost=0"]
    assert parse("") == ()


@pytest.mark.parametrize("text", ["p99", "p99=1", "p98=1ms", "lost=1ms", "cpu=5", "memory=60", "p99<1ms", "p99=-1ms"])
def test_what_is_no_target_is_refused(text):
    with pytest.raises(UsageError, match="is no target"):
        parse(text)


def test_a_figure_at_its_target_passes_and_one_that_is_unknown_does_not():
    verdicts = judged(parse("p99=1ms,lost=0,cpu=5%"), {"p99": 1e6, "lost": 1, "cpu": None})
    assert [verdict.passed for verdict in verdicts] == [True, False, False]
