"""A slot as its writer leaves it and as others read it."""

from __future__ import annotations

import os

import numpy as np
import pytest

from kitecli.errors import DataError, EnvironmentProblem
from kitecli.metrics.block import Slot, SlotView, read, read_slot
from kitecli.metrics.layout import HEADER_DTYPE, reader_path, slot_path
from kitecli.metrics.stages import PUBLISH, READ, STAGES


@pytest.fixture
def ring(tmp_path):
    return tmp_path / "feed-0000abcd.ring"


def test_what_is_counted_is_read_elsewhere(ring):
    slot = Slot.create(slot_path(ring), ("gaps", "clients"))
    slot.set("clients", 3)
    slot.add("gaps")
    slot.add("gaps", 4)
    slot.stage(PUBLISH).record(np.array([1_000, 2_000, 3_000], np.int64))
    found = read(slot_path(ring)).gateway
    assert found.counters == {"gaps": 5, "clients": 3}
    assert found.pid == os.getpid()
    assert list(found.stages) == [stage.name for stage in STAGES]
    assert found.stages["publish"].percentile_ns(50) == pytest.approx(2_000, rel=1 / 32)
    assert (found.stages["publish"].max_ns, found.stages["read"].count) == (3_000, 0)


def test_a_copy_stays_as_it_was(ring):
    slot = Slot.create(slot_path(ring), ("gaps",))
    before = read_slot(slot_path(ring))
    slot.add("gaps")
    slot.stage(READ).record(np.array([7], np.int64))
    assert (before.counters["gaps"], before.stages["read"].count, slot.get("gaps")) == (0, 0, 1)


def test_readers_are_found_beside_the_feed(ring):
    Slot.create(slot_path(ring), ())
    for seat in (0, 12):
        Slot.create(reader_path(ring, seat), ("passed_over",)).set("passed_over", seat)
    reader_path(ring, 3).write_bytes(b"half made")
    figures = read(slot_path(ring))
    assert {seat: one.counters for seat, one in figures.readers.items()} == {
        0: {"passed_over": 0},
        12: {"passed_over": 12},
    }
    assert figures.gateway.counters == {}


def test_a_slot_is_read_on_when_its_file_is_gone(ring):
    slot = Slot.create(slot_path(ring), ("gaps",))
    view = SlotView.attach(slot_path(ring))
    slot.remove()
    slot.add("gaps")
    assert view.figures().counters == {"gaps": 1}
    with pytest.raises(DataError):
        read(slot_path(ring))


def test_what_another_kite_knows_more_is_read_too(ring, monkeypatch):
    """A stage that a later version has added."""
    later = (*STAGES, type(STAGES[0])("wire", "reader", "order", "to the broker"))
    monkeypatch.setattr("kitecli.metrics.block.STAGES", later)
    Slot.create(slot_path(ring), ("orders",)).stage(later[-1]).record(np.array([5], np.int64))
    monkeypatch.undo()
    assert read_slot(slot_path(ring)).stages["wire"].count == 1


def test_a_slot_of_this_process_alone_needs_no_file():
    slot = Slot.private(("gaps",))
    slot.add("gaps")
    assert (slot.path, slot.figures().counters) == (None, {"gaps": 1})


@pytest.mark.parametrize("damage", ["short", "cells", "empty"])
def test_a_damaged_slot_is_refused(ring, damage):
    path = slot_path(ring)
    Slot.create(path, ("gaps",))
    whole = bytearray(path.read_bytes())
    if damage == "cells":
        at = HEADER_DTYPE.fields["cells"][1]
        whole[at : at + 4] = (7).to_bytes(4, "little")
    path.write_bytes(whole[:-8] if damage == "short" else b"" if damage == "empty" else whole)
    with pytest.raises(DataError):
        read_slot(path)


def test_a_full_disk_is_told(small_disk):
    (small_disk / "filler").write_bytes(bytes(200_000))
    with pytest.raises(EnvironmentProblem, match="No figures"):
        Slot.create(slot_path(small_disk / "feed-1.ring"), ())
