"""Options and the ready line cross a pipe unchanged."""

from __future__ import annotations

import json

from kitecli.sim.options import Ready, SimOptions


def test_options_come_back_as_they_went():
    options = SimOptions(
        source="a.csv",
        speed=0.5,
        start="09:30",
        seed=7,
        instruments=9000,
        ledger="x",
        rate_limits=False,
        faults="version: 1\nseed: 2",
    )
    assert SimOptions.from_json(options.to_json()) == options
    assert "\n" not in options.to_json()
    assert SimOptions().is_synthetic
    assert not options.is_synthetic


def test_the_ready_line_is_one_line_of_json():
    ready = Ready("ws://x", "http://x", "k", "t", "s", "r", 1, "synthetic", 2, "ticking")
    assert json.loads(ready.to_json())["access_token"] == "t"
    assert "\n" not in ready.to_json()
