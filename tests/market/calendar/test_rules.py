"""Which hours are in force, and what an occasion makes of them."""

from __future__ import annotations

from datetime import date

import pytest

from kitecli.market.calendar import Change, Hours, Kind, Occasion, Rules, Slot
from kitecli.market.calendar.rules import part_of

MORNING = Slot(Kind.CONTINUOUS, "morning", 32_400, 61_200)
EVENING = Slot(Kind.CONTINUOUS, "evening", 61_200, 84_600)
EARLY = Slot(Kind.PREOPEN, "morning, cancelling orders", 31_500, 32_340)
ORDINARY = (EARLY, MORNING, EVENING)


def hours(since: date, *slots: Slot, group: str = "") -> Hours:
    return Hours("MCX", group, since, slots, ("circular",))


def occasion(change: Change, part: str = "", *slots: Slot) -> Occasion:
    return Occasion(date(2026, 11, 10), "MCX", "Diwali", change, ("circular",), part, slots)


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (occasion(Change.CLOSED), ()),
        (occasion(Change.PART_CLOSED, "morning"), (EVENING,)),
        (occasion(Change.PART_CLOSED, "evening"), (EARLY, MORNING)),
        (occasion(Change.REGULAR), ORDINARY),
        (occasion(Change.SPECIAL, "", MORNING), (MORNING,)),
        (occasion(Change.UNKNOWN), ()),
    ],
)
def test_what_an_occasion_leaves_of_a_day(given: Occasion, left: tuple[Slot, ...]):
    assert given.slots_of(ORDINARY) == left


def test_a_part_is_a_names_first_word():
    assert [part_of(slot) for slot in ORDINARY] == ["morning", "morning", "evening"]


def test_the_newest_hours_that_have_begun_are_in_force():
    old, new = hours(date(2024, 1, 1), MORNING), hours(date(2026, 8, 3), EVENING)
    grouped = hours(date(2026, 8, 3), MORNING, EVENING, group="agri")
    rules = Rules(
        date(2024, 1, 1),
        date(2026, 12, 31),
        frozenset(range(5)),
        {("MCX", ""): (new, old), ("MCX", "agri"): (grouped,)},
        {},
        {},
        "home",
    )
    assert rules.hours_on("MCX", date(2026, 8, 2)) is old
    assert rules.hours_on("MCX", date(2026, 8, 3)) is new
    assert rules.hours_on("MCX", date(2026, 8, 3), "agri") is grouped
    assert rules.hours_on("MCX", date(2026, 8, 2), "agri") is old
    assert rules.hours_on("MCX", date(2023, 12, 31)) is None
    assert rules.segments == ("MCX",)
