"""Which day is meant."""

from datetime import date

import pytest

from kitecli.errors import DataError, UsageError
from kitecli.replay.days import find_day, stores_below
from tests.replay.made import made_day

TODAY = date(2026, 11, 22)


@pytest.fixture
def root(tmp_path):
    for day in ("2026-11-19", "2026-11-20"):
        made_day(tmp_path / "sim" / day, 1).end().close()
    return tmp_path


def test_a_day_is_found_in_the_folder_and_in_the_stores_below_it(root):
    assert stores_below(root) == [root, root / "sim"]
    for stores in (stores_below(root), stores_below(root / "sim")):
        assert find_day("2026-11-19", stores, TODAY) == root / "sim" / "2026-11-19"
        assert find_day("newest", stores, TODAY).name == "2026-11-20"
        assert find_day("today", stores, date(2026, 11, 20)).name == "2026-11-20"
    assert find_day(str(root / "sim" / "2026-11-20"), [], TODAY).name == "2026-11-20"


def test_a_day_that_isnt_there_names_those_that_are(root):
    with pytest.raises(DataError, match="no recording of 2026-11-18") as raised:
        find_day("2026-11-18", stores_below(root), TODAY)
    assert raised.value.why == "there are 2026-11-19, 2026-11-20"
    with pytest.raises(DataError, match="no recording of newest") as raised:
        find_day("newest", stores_below(root / "none"), TODAY)
    assert "none at all" in raised.value.why


def test_what_is_no_day_is_refused(root):
    with pytest.raises(UsageError, match="'soon' is no day"):
        find_day("soon", stores_below(root), TODAY)
    with pytest.raises(UsageError, match="one file of a day"):
        find_day(str(root / "sim" / "2026-11-20" / "0001.kseg"), [], TODAY)
    made_day(root / "other" / "2026-11-20", 1).end().close()
    with pytest.raises(UsageError, match="more than once"):
        find_day("2026-11-20", stores_below(root), TODAY)
