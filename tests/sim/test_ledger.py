"""The ledger counts each packet once, by instrument and by connection."""

from __future__ import annotations

import json

import numpy as np

from kitecli.sim.ledger import Ledger


def test_counts_by_token_and_by_connection_agree():
    ledger = Ledger([408065, 5633, 738561])
    one, two = ledger.open_connection(), ledger.open_connection()
    ledger.count_live(one, np.array([0, 0, 2]), frames=2)
    ledger.count_live(two, np.array([0]), frames=1)
    ledger.count_snapshots(two, np.array([2]), frames=1)
    two.withheld, one.heartbeats, one.open = 7, 3, False
    found = json.loads(json.dumps(ledger.as_dict()))
    assert found["tokens"] == {"408065": [3, 0], "738561": [1, 1]}
    assert found["totals"] == {"live": 4, "snapshots": 1, "withheld": 7, "frames": 4, "heartbeats": 3}
    assert [row["id"] for row in found["connections"]] == [1, 2]
    assert [(row["live"], row["snapshots"], row["frames"], row["open"]) for row in found["connections"]] == [
        (3, 0, 2, False),
        (1, 1, 2, True),
    ]


def test_nothing_sent_is_an_empty_ledger():
    assert Ledger([1]).as_dict()["tokens"] == {}


def test_faults_are_counted_by_kind():
    ledger = Ledger([1])
    ledger.faults["rst"] += 2
    assert ledger.as_dict()["faults"] == {"rst": 2}
