"""What an audit found, as people and programs get it."""

from datetime import datetime

from kitecli.bars.audit import Audit, Difference
from kitecli.bars.audit_causes import Cause
from kitecli.bars.intervals import Interval
from kitecli.clock import IST
from kitecli.terminal.audit_rows import HEADS, Audited, audit_document, audit_line, audit_rows

INFY, USDINR = 408065, 1000 * 256 + 3
AT = datetime(2026, 11, 24, 9, 15, tzinfo=IST)
OPEN = Difference(AT, "open", 1573.7, 1572.0, Cause.OPEN_CORRECTED, "theirs is the auction's")
VOLUME = Difference(AT, "volume", 123_456, 123_457, Cause.UNEXPLAINED, "nobody knows")
MISSING = Difference(AT, "bar", None, 100, Cause.GAP, "nothing came")


def audited(*differences, pairs=9, equal=7, token=INFY):
    return Audited(token, "NSE:INFY", Audit(pairs, equal, list(differences)))


def test_a_row_for_each_difference_in_rupees_and_shares():
    first, second, third = audit_rows(audited(OPEN, VOLUME, MISSING))
    assert len(HEADS) == len(first)
    assert first == (
        "NSE:INFY",
        "24 Nov 09:15",
        "open",
        "1,573.70",
        "1,572.00",
        "open corrected",
        "theirs is the auction's",
    )
    assert second[3:5] == ("1,23,456", "1,23,457")
    assert third[2:5] == ("bar", "–", "100")
    assert next(audit_rows(audited(OPEN, token=USDINR)))[3] == "1,573.7000"


def test_a_sentence_tells_how_it_went():
    assert audit_line(audited(OPEN, VOLUME, VOLUME)) == (
        "NSE:INFY: 9 bars compared, 7 equal; differences: 2 not explained, 1 open corrected"
    )
    assert audit_line(audited(pairs=1, equal=1)) == "NSE:INFY: 1 bar compared, all equal"
    assert audit_line(audited(pairs=0, equal=0)) == "NSE:INFY: no closed bar to compare"


def test_a_document_for_programs():
    document = audit_document(audited(MISSING), Interval.parse("1m"))
    assert document["causes"] == {"gap": 1}
    assert (document["compared"], document["equal"], document["interval"]) == (9, 7, "1m")
    assert document["differences"] == [
        {
            "start": "2026-11-24T09:15:00+05:30",
            "field": "bar",
            "ours": None,
            "theirs": 100,
            "cause": "gap",
            "why": "nothing came",
        }
    ]
