"""What is written down of a fault, in virtual time."""

from __future__ import annotations

from collections import Counter

from kitecli.sim.faults.truth import SETTLED_NS, Deed, Truth

MODES = {1: "full", 2: "full", 3: "ltp"}


class Book:
    def __init__(self) -> None:
        self.lines: list[dict] = []
        self.counts: Counter[str] = Counter()
        self.truth = Truth(self.counts, self.lines.append)

    def cut(self, now_ns: int, connection: int, modes=MODES, kind: str = "rst", *, lives_on: bool = False) -> Deed:
        deed = self.truth.begin(kind, "", "ticker", now_ns, connection, 0)
        self.truth.lose(deed, modes, now_ns - 5, connection=connection, seat=0, lives_on=lives_on)
        return deed

    def outages(self) -> list[tuple]:
        return [(one.from_ns, one.to_ns, one.connection, one.restored_by) for one in self.truth.outages]


def test_it_ends_with_the_first_data_after_all_was_asked_for():
    book = Book()
    deed = book.cut(100, 1)
    assert book.truth.asked(2, {1: "quote", 2: "quote"})
    assert book.truth.data(2, {1: "quote", 2: "quote"}, 110)
    assert book.truth.asked(2, MODES)
    assert not book.truth.data(2, MODES, 120)
    assert not book.truth.data(2, MODES, 130)
    assert book.outages() == [(100, 120, 1, 2)]
    assert deed.to_ns == 120
    assert [line["record"] for line in book.lines] == ["outage", "fault"]
    assert book.lines[0] == {
        "record": "outage",
        "id": 1,
        "faults": [1],
        "kind": "rst",
        "connection": 1,
        "seat": 0,
        "instruments": 3,
        "lowest_token": 1,
        "last_byte_ns": 95,
        "from_ns": 100,
        "to_ns": 120,
        "restored_by": 2,
    }
    assert book.counts == {"rst": 1}


def test_a_cut_of_the_restoration_is_the_same_outage():
    book = Book()
    deeds = [book.cut(100, 1)]
    book.truth.asked(2, {1: "full"})
    deeds.append(book.cut(110, 2, {1: "full"}))
    book.truth.left(2)
    book.truth.asked(3, MODES)
    book.truth.data(3, MODES, 130)
    assert book.outages() == [(100, 130, 1, 3)]
    assert book.lines[0]["faults"] == [1, 2]
    assert [deed.to_ns for deed in deeds] == [130, 130]


def test_three_at_once_are_three_and_each_finds_its_own():
    book, shards = Book(), [{n * 10 + at: "full" for at in range(3)} for n in range(3)]
    for number, modes in enumerate(shards):
        book.cut(100 + number, number + 1, modes)
    for number, modes in ((4, shards[2]), (5, shards[0]), (6, shards[1])):
        book.truth.asked(number, modes)
        book.truth.data(number, modes, 200 + number)
    assert book.outages() == [(100, 205, 1, 5), (101, 206, 2, 6), (102, 204, 3, 4)]


def test_another_connection_with_the_same_instruments_restores_nothing():
    book = Book()
    book.cut(100, 2)
    assert not book.truth.asked(1, MODES)
    assert not book.truth.data(1, MODES, 110)
    assert book.outages() == [(100, None, 2, None)]


def test_a_silence_may_end_on_the_same_connection_or_on_another():
    book = Book()
    book.cut(100, 1, kind="silence", lives_on=True)
    book.truth.data(1, MODES, 300)
    book.cut(400, 1, kind="silence", lives_on=True)
    book.truth.left(1)
    book.truth.data(1, MODES, 410)
    book.truth.asked(2, MODES)
    book.truth.data(2, MODES, 500)
    assert book.outages() == [(100, 300, 1, 1), (400, 500, 1, 2)]


def test_who_wants_other_things_now_is_not_waited_for_for_ever():
    """Modes changed and instruments given up while the link was down: over once nothing more is asked for."""
    book = Book()
    book.cut(100, 1)
    fewer = {1: "full", 2: "ltp"}
    book.truth.asked(2, fewer)
    assert book.truth.data(2, fewer, 200)
    assert book.truth.data(2, fewer, 200 + SETTLED_NS - 1)
    book.truth.asked(2, fewer)
    assert book.truth.data(2, fewer, 250 + SETTLED_NS), "it asked again"
    assert not book.truth.data(2, fewer, 250 + 2 * SETTLED_NS)
    assert book.outages() == [(100, 250 + SETTLED_NS, 1, 2)]


def test_who_carried_nothing_lost_nothing():
    book = Book()
    book.cut(100, 1, {})
    assert book.truth.outages == []


def test_a_deed_ends_once_and_what_is_under_way_is_written_at_the_close():
    book = Book()
    deed = book.truth.begin("freeze", "", "rest", 100)
    other = book.cut(110, 1)
    book.truth.end(deed, 120)
    book.truth.end(deed, 130)
    assert deed.to_ns == 120
    book.truth.close()
    assert [(line["record"], line["kind"], line["to_ns"]) for line in book.lines] == [
        ("fault", "freeze", 120),
        ("outage", "rst", None),
        ("fault", "rst", None),
    ]
    assert other.to_ns is None
    assert book.truth.as_dict()["counts"] == {"freeze": 1, "rst": 1}


def test_an_entrance_s_deed_has_an_end_of_its_own():
    book = Book()
    frozen = book.truth.begin("freeze", "", "ticker", 100)
    book.truth.lose(frozen, MODES, 90, connection=1, seat=0, lives_on=True)
    book.truth.data(1, MODES, 150)
    assert frozen.to_ns is None
    book.truth.end(frozen, 140)
    assert (frozen.to_ns, book.outages()) == (140, [(100, 150, 1, 1)])
