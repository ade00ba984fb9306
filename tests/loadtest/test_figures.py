"""Figures of a run: what is derived from them, and what JSON says."""

from __future__ import annotations

import json

import pytest

from kitecli.loadtest.figures import Process, as_json, by_name, merged
from tests.loadtest.samples import a_client, a_run, timed


def test_clients_are_judged_together_and_the_slowest_is_the_pace():
    run = a_run(clients=(a_client("a", *[100] * 30, missing=2), a_client("b", *[5_000] * 10)), withheld=3)
    assert run.ticks_per_s == 1.0
    assert run.lost == 5
    assert (run.latency.count, run.latency.max_ns) == (40, 5_000)
    assert run.sent_per_s == 2000


def test_histograms_add_up():
    whole = merged([timed(1, 2), timed(1_000_000)])
    assert (whole.count, whole.sum_ns, whole.max_ns) == (3, 1_000_003, 1_000_000)
    assert merged([]).count == 0


def test_what_targets_ask_for_has_a_figure_each():
    found = by_name(a_run())
    assert found["avg"] == pytest.approx(206_000)
    assert (found["max"], found["lost"], found["cpu"], found["memory"]) == (800_000, 0, 0.03, 45_000_000)
    assert found["p50"] <= found["p90"] <= found["p99"] <= found["p99.9"] <= found["max"]
    assert by_name(a_run(clients=(a_client("a", -1),)))["max"] == 0


def test_a_client_without_a_feed_process_is_its_own_feed():
    assert a_run("kiteconnect").feed.name == "kiteconnect"
    assert a_run().exchange.name == "exchange"


def test_json_has_every_figure_in_plain_numbers():
    said = json.loads(json.dumps(as_json(a_run(processes=(Process("exchange", None, None, None, None),)))))
    assert said["ticks_per_s"] == 2000
    assert said["latency_ns_p99_9"] == 800_000
    assert said["processes"] == [
        {"name": "exchange", "cpu": None, "waited": None, "private_bytes": None, "shared_bytes": None}
    ]
    assert said["stages"]["publish"]["count"] == 2
    assert said["clients"][0]["latency"]["max"] == 800_000
