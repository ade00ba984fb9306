"""A recording's ticks, numbered as they were received."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kitecli.archive.reading import batches
from kitecli.store import ticks
from kitecli.store.recording import Recording
from kitecli.store.spans import Span
from tests.archive.stores import INFY, START_NS, STEP_NS, USDINR


def test_ticks_are_numbered_over_batches(store: Path, monkeypatch):
    monkeypatch.setattr(ticks, "BATCH_TICKS", 100)
    with Recording.open(store / "2026-11-20") as recording:
        found = list(batches(recording, (), Span()))
        numbers = np.concatenate([batch.sequences for batch in found])
        assert len(found) == 14
        assert numbers.tolist() == list(range(1400))
        assert all(batch.depth is not None for batch in found)


def test_those_of_a_span_and_some_instruments_are_numbered_among_themselves(store: Path):
    span = Span(START_NS + 3 * STEP_NS, START_NS + 9 * STEP_NS)
    with Recording.open(store / "2026-11-20") as recording:
        (batch,) = batches(recording, [INFY, USDINR], span, depth=False)
    assert batch.ticks["token"].tolist() == [INFY, USDINR, INFY, INFY] * 2
    assert batch.sequences.tolist() == list(range(8))
    assert batch.depth is None
