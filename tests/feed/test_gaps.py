"""An outage is one record, whatever happens in it."""

from hypothesis import given
from hypothesis import strategies as st

from kitecli.feed.gaps import GapBook
from kitecli.market.gap import Gap


def test_an_outage_is_told_when_it_begins_and_when_it_ends():
    book = GapBook(2)
    assert book.begin(100, (1, 2), "cut") == Gap(2, (1, 2), 100, None, "cut")
    assert book.end(300, (1, 2)) == Gap(2, (1, 2), 100, 300, "cut")
    assert book.count == 1


def test_failures_within_an_outage_are_part_of_it():
    book = GapBook(0)
    book.begin(100, (1,), "silence")
    assert book.begin(150, (1,), "cut again") is None
    assert book.end(300, (1,)).cause == "silence"
    assert book.count == 1


def test_instruments_asked_for_or_dropped_meanwhile_have_missed_it_too():
    book = GapBook(0)
    book.begin(100, (1, 2), "cut")
    assert book.end(300, (2, 3)).tokens == (1, 2, 3)


def test_no_outage_no_record():
    book = GapBook(0)
    assert book.end(300, (1,)) is None
    assert book.count == 0


@given(st.lists(st.sampled_from(["begin", "end"]), max_size=40))
def test_records_never_overlap(steps):
    book, told = GapBook(0), []
    for at_ns, step in enumerate(steps):
        record = book.begin(at_ns, (1,), "cut") if step == "begin" else book.end(at_ns, (1,))
        if record is not None:
            told.append(record)
    begun, ended = told[::2], told[1::2]
    assert all(record.to_ns is None for record in begun)
    assert [record.from_ns for record in ended] == [record.from_ns for record in begun][: len(ended)]
    assert all(one.to_ns <= later.from_ns for one, later in zip(ended, begun[1:], strict=False))
    assert book.count == len(begun)
