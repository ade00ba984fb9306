"""Days go by age and by size, oldest first, and never one that somebody needs yet."""

from __future__ import annotations

import errno
from datetime import date, timedelta

import pytest

from kitecli.errors import EnvironmentProblem
from kitecli.store.folder import day_folder, day_folders, segment_paths
from kitecli.store.pruning import GOING_SUFFIX, PrunePlan, Retention, plan_pruning, prune
from kitecli.store.recorder import StoreHold
from kitecli.store.sealing import seal
from tests.store.days import Day
from tests.store.disks import FailingDisk, QuickDisk

TODAY = date(2026, 11, 20)


@pytest.fixture
def store(tmp_path):
    """Five packed days up to today, of which today is raw."""
    for age in range(4, -1, -1):
        record(tmp_path, age)
        if age:
            for path in segment_paths(folder(tmp_path, age)):
                seal(path, QuickDisk())
    return tmp_path


def folder(store, age):
    return day_folder(store, TODAY - timedelta(days=age))


def record(store, age, *, end=True):
    folder(store, age).mkdir(exist_ok=True)
    day = Day(folder(store, age))
    day.send(30)
    day.step()
    if end:
        assert day.writer.close(day.now_s)
    return day


def ages(days):
    return [(TODAY - day.day).days for day in days]


def size_of(store, *of):
    return sum(path.stat().st_size for age in of for path in folder(store, age).iterdir())


def test_by_age(store):
    plan = plan_pruning(store, Retention(max_age_days=2), TODAY)
    assert ages(plan.going) == [4, 3]
    assert {day.why for day in plan.days} == {"age"}
    assert plan.freed == size_of(store, 4, 3)
    assert plan.size == size_of(store, 0, 1, 2, 3, 4)
    assert len(day_folders(store)) == 5
    assert prune(store, plan.days, QuickDisk()) == plan.freed
    assert [path.name for path in day_folders(store)] == ["2026-11-18", "2026-11-19", "2026-11-20"]


def test_by_size_the_oldest_first_and_no_more_than_needed(store):
    plan = plan_pruning(store, Retention(max_bytes=size_of(store, 0, 1, 2)), TODAY)
    assert ages(plan.going) == [4, 3]
    assert ages(plan_pruning(store, Retention(max_bytes=size_of(store, 0, 1, 2) - 1), TODAY).going) == [4, 3, 2]
    assert plan_pruning(store, Retention(max_bytes=plan.size), TODAY).days == ()
    assert plan_pruning(store, Retention(), TODAY) == PrunePlan((), plan.size)


def test_today_never_goes(store):
    plan = plan_pruning(store, Retention(max_age_days=-1, max_bytes=0, unsealed=True), TODAY)
    assert ages(plan.going) == [4, 3, 2, 1]
    assert [(day.day, day.kept_for) for day in plan.days if day.kept_for] == [(TODAY, "today")]
    prune(store, plan.days, QuickDisk())
    assert day_folders(store) == [folder(store, 0)]


def test_a_day_that_isnt_packed_goes_only_when_asked(store):
    record(store, 6)
    everything = Retention(max_age_days=2)
    plan = plan_pruning(store, everything, TODAY)
    assert ages(plan.going) == [4, 3]
    assert [day.kept_for for day in plan.days] == ["not sealed", "", ""]
    assert ages(plan_pruning(store, Retention(max_age_days=2, unsealed=True), TODAY).going) == [6, 4, 3]


def test_a_day_that_is_being_written_never_goes(store):
    hold = StoreHold.take(store)
    try:
        record(store, 6, end=False)
        plan = plan_pruning(store, Retention(max_age_days=2, unsealed=True), TODAY)
        assert [day.kept_for for day in plan.days] == ["being written", "", ""]
    finally:
        hold.release()
    assert ages(plan_pruning(store, Retention(max_age_days=2, unsealed=True), TODAY).going) == [6, 4, 3]


def test_an_interrupted_removal_is_finished_by_the_next(store):
    plan = plan_pruning(store, Retention(max_age_days=3), TODAY)
    with pytest.raises(EnvironmentProblem, match="can't be removed"):
        prune(store, plan.days, FailingDisk("sync_folder", 1, code=errno.EIO))
    assert folder(store, 4) not in day_folders(store)  # nobody meets half a day
    assert [path.name for path in store.glob(f"*{GOING_SUFFIX}")] == ["2026-11-16" + GOING_SUFFIX]
    assert prune(store, ()) == 0
    assert not list(store.glob(f"*{GOING_SUFFIX}"))


def test_other_things_in_the_store_stay(store):
    (store / "notes").mkdir()
    (store / "lock").touch()
    prune(store, plan_pruning(store, Retention(max_bytes=0), TODAY).days, QuickDisk())
    assert sorted(path.name for path in store.iterdir()) == ["2026-11-20", "lock", "notes"]
