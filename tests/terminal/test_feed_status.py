"""What ``kite status`` makes of a feed's own account."""

from __future__ import annotations

from kitecli.terminal.feed_status import sections

NOW_NS = 1_795_344_596_000_000_000  # 22 November 2026, 16:19:56 IST
STATUS = {
    "name": "3461f530",
    "label": "live",
    "pid": 4242,
    "daemon": True,
    "uptime_s": 7300.0,
    "instruments": 9000,
    "ring": {"capacity": 1 << 20, "produced": 123_456_789},
    "counters": {"frames": 1000, "empty": 0, "truncated": 2, "missing": 3, "unknown_length": 0, "trailing": 0},
    "bars": {
        "published": {"100ms": 1_300_000, "1m": 4_567},
        "counters": {"bars": 1_304_000, "revisions": 567, "late_ticks": 600, "late_lost": 0, "resets": 0},
    },
    "gaps": {
        "total": 2,
        "open": 1,
        "newest": [
            {"connection": 0, "from_ns": NOW_NS - 9_000_000_000, "to_ns": NOW_NS - 7_750_000_000, "instruments": 3000,
             "cause": "cut: " + "x" * 80},
            {"connection": 1, "from_ns": NOW_NS - 1_000_000_000, "to_ns": None, "instruments": 3000, "cause": "silent"},
        ],
    },
    "connections": [
        {"index": 0, "state": "live", "since_ns": NOW_NS, "instruments": 3000, "last_frame_ns": NOW_NS - 200_000_000,
         "last_tick_ns": NOW_NS - 400_000_000, "cause": None},
        {"index": 1, "state": "stale", "since_ns": None, "instruments": 3000, "last_frame_ns": None,
         "last_tick_ns": None, "cause": {"what": "It went silent", "why": "nothing came for 4 s"}},
    ],
    "clients": [
        {"name": "scanner", "pid": 7, "instruments": 12, "since_ns": NOW_NS, "observer": False},
        {"name": "kite status", "pid": 8, "instruments": 0, "since_ns": NOW_NS, "observer": True},
    ],
    "readers": [
        {"pid": 7, "policy": "latest", "delivered": 10, "conflated": 1_234_567, "lost": 0, "lag": 3},
    ],
}  # fmt: skip


def rows_of(title):
    return {section.title: section for section in sections(STATUS, NOW_NS)}[title].rows


def test_every_part_has_its_table_and_empty_ones_none():
    assert [section.title for section in sections(STATUS, NOW_NS)] == [
        "feed",
        "connection",
        "client",
        "reader",
        "outage",
    ]
    bare = {**STATUS, "clients": [], "readers": [], "gaps": {"total": 0, "open": 0, "newest": []}}
    assert [section.title for section in sections(bare, NOW_NS)] == ["feed", "connection"]
    assert all(len(row) == len(section.heads) for section in sections(STATUS, NOW_NS) for row in section.rows)


def test_bars_have_a_row_where_there_are_any():
    assert dict(rows_of("feed"))["bars"] == "13,04,000 closed, 567 revisions; 100ms, 1m"
    (feed, *_) = sections({**STATUS, "bars": None}, NOW_NS)
    assert "bars" not in dict(feed.rows)


def test_figures_are_grouped_as_in_india_and_times_have_their_zone():
    feed = dict(rows_of("feed"))
    assert feed["ticks"] == "12,34,56,789 in 1,000 messages"
    assert feed["process"] == "4242, up 2h, daemon"
    assert feed["damaged"] == "5"
    assert rows_of("connection")[0] == ("0", "live", "16:19:56 IST", "3,000", "0.2s", "0.4s", "")
    assert rows_of("connection")[1] == ("1", "stale", "", "3,000", "", "", "It went silent: nothing came for 4 s")


def test_outages_say_how_long_they_lasted_or_that_they_last():
    ended, lasting = rows_of("outage")
    assert ended[:4] == ("0", "16:19:47 IST", "1.25 s", "3,000")
    assert ended[4].endswith("…")
    assert lasting[2] == "open"


def test_readers_show_what_they_got_and_missed_and_observers_are_no_clients():
    assert rows_of("reader") == [("7", "latest", "10", "12,34,567", "0", "3")]
    assert [row[0] for row in rows_of("client")] == ["scanner"]
