"""Records as lines: their fields, in order; and read again."""

from __future__ import annotations

import json
import logging
from datetime import datetime

from kitecli.clock import IST
from kitecli.logs.lines import HEAD, LINE_BYTES, JsonLines, TextLines, component_of, parse, text_of

AT_S = datetime(2026, 2, 20, 9, 15, 0, 123456, IST).timestamp()


def record(words: str, /, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("kitecli.feed.pool", logging.WARNING, "", 0, words, (), None)
    made.created = AT_S
    made.about = fields
    return made


def test_a_line_begins_with_the_same_fields_in_the_same_order_and_is_indian_time():
    line = JsonLines("9f31c2aa").format(record("it is 5 °C\nhere", connection=1, error={"what": "x"}))
    fields = json.loads(line)
    assert tuple(fields)[: len(HEAD)] == HEAD
    assert (fields["at"], fields["level"], fields["component"]) == (
        "2026-02-20T09:15:00.123456+05:30",
        "warning",
        "feed",
    )
    assert (fields["run"], fields["connection"], fields["error"]) == ("9f31c2aa", 1, {"what": "x"})
    assert "\n" not in line


def test_a_field_of_its_own_never_takes_the_place_of_one_that_all_have():
    assert json.loads(JsonLines("r").format(record("words", what="other", level=7)))["what"] == "words"


def test_a_line_without_end_is_cut_to_its_words():
    line = JsonLines("r").format(record("many", tokens=list(range(9_000))))
    assert len(line) < LINE_BYTES
    assert json.loads(line)["what"] == "many"
    assert json.loads(line)["cut"] > LINE_BYTES
    assert len(JsonLines("r").format(record("x" * 100_000))) < LINE_BYTES


def test_a_traceback_is_a_field_and_follows_the_line_for_people():
    made = record("it failed")
    made.exc_text = "Traceback …\nValueError"
    line = parse(JsonLines("r").format(made))
    assert line is not None
    assert line.fields["traceback"] == "Traceback …\nValueError"
    assert text_of(line).endswith("it failed\nTraceback …\nValueError")


def test_for_people_it_is_a_time_with_its_zone_a_level_a_component_and_words():
    assert TextLines("r").format(record("away")) == "2026-02-20 09:15:00.123 IST warning feed        away"


def test_what_is_no_line_of_ours_is_none():
    whole = JsonLines("r").format(record("whole"))
    assert parse(whole) is not None
    broken = ("", whole[:40], "[]", "7", '{"at":"2026-02-20"}', whole.replace("+05:30", ""))
    assert [parse(text) for text in broken] == [None] * len(broken)


def test_a_component_is_the_second_word_of_a_loggers_name():
    assert [component_of(name) for name in ("kitecli.feed", "kitecli.feed.pool")] == ["feed", "feed"]
