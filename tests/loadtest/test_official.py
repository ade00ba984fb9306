"""The official client on the same load, counted by the same ledger."""

from __future__ import annotations

from dataclasses import replace

from kitecli.loadtest.run import run_load
from kitecli.settings import load
from tests.loadtest.test_run import SMALL


def test_it_gets_what_was_sent_over_all_its_connections():
    run = run_load(replace(SMALL, duration_s=0.5), load(), "kiteconnect", lambda *_: None)
    assert run.lost == 0
    assert run.clients[0].ticks == run.ledger > 0
    assert run.clients[0].latency.count > 0
    assert run.feed.name == "kiteconnect"
    assert run.recorded_bytes is None
