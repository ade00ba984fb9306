"""Timelines as text: what comes back is what was sent."""

from __future__ import annotations

import numpy as np
import pytest

from kitecli.bars.hours import NO_HOURS, from_text, to_text
from kitecli.bars.timeline import Timelines
from kitecli.settings.calendars import load_calendar


@pytest.fixture(scope="module")
def timelines():
    return Timelines.of(load_calendar())


def test_all_segments_and_groups_come_back(timelines):
    back = from_text(to_text(timelines))
    assert back.groups == timelines.groups
    assert ("NSE", "cas") in back.groups
    assert len(back.each) == len(timelines.each)
    for one, other in zip(back.each, timelines.each, strict=True):
        assert np.array_equal(one.starts_ms, other.starts_ms)
        assert np.array_equal(one.kinds, other.kinds)
        assert (one.starts_ms.dtype, one.kinds.dtype) == (np.int64, np.uint8)


def test_it_fits_into_a_pipe_and_an_answer(timelines):
    assert 4_000 < len(to_text(timelines)) < 32_000


def test_no_hours_are_no_text():
    assert to_text(NO_HOURS) == ""
    assert from_text("") == NO_HOURS
