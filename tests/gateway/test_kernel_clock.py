"""The kernel's word on its clock: units, sign, and when it has none."""

from __future__ import annotations

import sys

import pytest

from kitecli.gateway.kernel_clock import IN_NANOSECONDS, SOURCE, UNSYNCHRONIZED, Timex, clock_offset, offset_of
from kitecli.store.payloads import ClockOffset


@pytest.mark.parametrize(
    ("status", "offset_ns"), [(0, 1_500_000), (IN_NANOSECONDS, 1_500)], ids=["microseconds", "nanoseconds"]
)
def test_an_offset_to_be_added_means_that_the_clock_is_behind(status, offset_ns):
    read = Timex(offset=-1_500, maxerror=20, status=status)
    assert offset_of(read) == ClockOffset(offset_ns, 20_000, SOURCE)


def test_a_clock_that_nothing_keeps_set_has_none():
    assert offset_of(Timex(offset=5, status=UNSYNCHRONIZED)) is None


def test_this_machine_s():
    found = clock_offset()
    assert found is None or (sys.platform.startswith("linux") and abs(found.offset_ns) < 10**12 and found.error_ns >= 0)
