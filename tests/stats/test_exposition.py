"""The page Prometheus reads, and everything that names metrics."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from kitecli.metrics.stages import PUBLISH
from kitecli.stats.exposition import EDGES_NS, METRICS, absent, exposition
from kitecli.stats.looking import FeedLooker
from tests.conformance.vectors import INFY_QUOTE, message

DOCS = Path(__file__).parents[2] / "docs"
SAMPLE = re.compile(r'^([a-z_]+)\{((?:[a-z]+="[^"\\\n]*",?)+)\} (\S+)$')
FAMILY = re.compile(r"_(bucket|sum|count)$")


@pytest.fixture
def page(standing):
    standing.frames.ingest(message(INFY_QUOTE, INFY_QUOTE), 70, 0)
    standing.figures.slot.stage(PUBLISH).record(np.array([(1 << 20) - 1, 40_000_000_000], np.int64))
    standing.figures.slot.set("clock_uncertainty_ns", 5)
    standing.read(1)
    with FeedLooker(standing.card) as looker:
        return exposition(looker.look(99))


def samples(page):
    """(name, labels, value) of each line that is one; all others say what a metric is."""
    found = []
    for line in page.splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE) [a-z_]+ \S", line)
            continue
        name, labels, value = SAMPLE.match(line).groups()
        found.append((name, dict(re.findall(r'([a-z]+)="([^"]*)"', labels)), float(value)))
    return found


def of(page, wanted, **labels):
    return [value for name, said, value in samples(page) if name == wanted and labels.items() <= said.items()]


def family(name):
    return name if name in METRICS else FAMILY.sub("", name)


def test_what_is_counted_stands_there(page):
    assert of(page, "kite_ticks_total", feed="0123abcd") == [2]
    assert of(page, "kite_connection_ticks_total", connection="0") == [2]
    assert of(page, "kite_connection_up") == [1, 0]
    assert of(page, "kite_reader_lag_ticks", seat="0") == [1]
    assert of(page, "kite_connection_round_trip_seconds") == [0.012]


def test_every_metric_is_given_out_and_explained_once(page):
    assert {family(name) for name, _, _ in samples(page)} == set(METRICS)
    for name in METRICS:
        assert page.count(f"# TYPE {name} ") == page.count(f"# HELP {name} ") == 1


def test_samples_of_a_metric_stand_together(page):
    seen = [family(name) for name, _, _ in samples(page)]
    changes = sum(one != other for one, other in pairwise(seen))
    assert changes == len(METRICS) - 1


def test_buckets_add_up(page):
    of_publish = of(page, "kite_stage_seconds_bucket", stage="publish")
    assert of_publish == sorted(of_publish)
    assert len(of_publish) == len(EDGES_NS) + 1
    assert of_publish[-1] == of(page, "kite_stage_seconds_count", stage="publish")[0]
    of_edge = [(said["le"], value) for _, said, value in samples(page) if "le" in said and said["stage"] == "publish"]
    below = dict(of_edge)
    half_ms, one_ms = repr(((1 << 19) - 1) / 1e9), repr(((1 << 20) - 1) / 1e9)
    assert below[one_ms] - below[half_ms] == 1
    assert below["+Inf"] - below[repr(EDGES_NS[-1] / 1e9)] == 2  # the 40 s, and the message above, stamped in 1970


def test_where_no_feed_runs_that_is_all_there_is():
    assert samples(absent("main")) == [("kite_feed_up", {"feed": "main"}, 0.0)]


def test_the_dashboard_asks_for_nothing_that_isn_t_there():
    board = json.loads((DOCS / "grafana" / "kite-feed.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    asked = {family(name) for query in queries for name in re.findall(r"\bkite_[a-z_]+", query)}
    assert len(queries) >= 10
    assert asked <= set(METRICS)
    variables = [one["query"] for one in board["templating"]["list"] if one["type"] == "query"]
    assert {family(name) for query in variables for name in re.findall(r"\bkite_[a-z_]+", query)} <= set(METRICS)


def test_the_page_of_the_docs_has_every_metric():
    text = (DOCS / "stats.md").read_text()
    named = set(re.findall(r"`(kite_[a-z_]+)", text))
    assert named == set(METRICS)
    for name, (kind, _) in METRICS.items():
        assert re.search(rf"`{name}(\{{[a-z, ]+\}})?` \| {kind} \|", text), name
