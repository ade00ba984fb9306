"""What a load test found, as JSON and in a line."""

from __future__ import annotations

import json
from dataclasses import replace

from kitecli.loadtest.judge import judge
from kitecli.loadtest.limit import Limit, Step
from kitecli.loadtest.outcome import Outcome, limit_text, outcome_json
from kitecli.loadtest.slo import DEFAULT, parse
from tests.loadtest.samples import PLAN, a_client, a_run

OUTCOME = Outcome(
    PLAN, "default", (a_run(),), judge(a_run(), parse(DEFAULT)), {"processors": "2"}, "22 Nov 2026 10:00:00 IST"
)
LIMIT = Limit((Step(2.0, ""), Step(4.0, "feed"), Step(3.0, "")))


def test_json_says_whether_it_passed_and_why_not():
    said = json.loads(json.dumps(outcome_json(OUTCOME)))
    assert (said["passed"], said["broke"], said["limit"]) == (True, None, None)
    assert said["plan"]["instruments"] == 1000
    assert [one["passed"] for one in said["slos"]] == [True, True]
    worse = a_run(clients=(a_client(missing=1),))
    failed = outcome_json(replace(OUTCOME, runs=(worse,), judgement=judge(worse, parse(DEFAULT))))
    assert (failed["passed"], failed["broke"]) == (False, "feed")


def test_a_limit_is_told_in_ticks_a_second():
    said = outcome_json(replace(OUTCOME, limit=LIMIT))["limit"]
    assert (said["held_per_s"], said["broke_at_per_s"], said["broke"]) == (3000, 4000, "feed")
    assert [step["ticks_per_s"] for step in said["steps"]] == [2000, 4000, 3000]
    assert limit_text(PLAN, LIMIT) == (
        "held: 3,000 ticks/s (3/s of each instrument); feed gave way first, at 4,000 ticks/s (4/s of each instrument)"
    )
    assert limit_text(PLAN, Limit((Step(2.0, ""),))).endswith("nothing gave way")
    assert limit_text(PLAN, Limit((Step(2.0, "latency"),))).startswith("no rate held")


def test_a_search_that_found_a_rate_has_passed_whatever_broke_above_it():
    worse = judge(a_run(sent=1), ())
    assert not replace(OUTCOME, judgement=worse).passed
    assert replace(OUTCOME, judgement=worse, limit=LIMIT).passed
    assert not replace(OUTCOME, limit=Limit((Step(2.0, "feed"),))).passed


def test_notes_say_whose_they_are_where_there_are_several():
    busy = a_run(withheld=7)
    assert replace(OUTCOME, runs=(busy,)).notes[0].startswith("7 ticks were withheld")
    both = replace(OUTCOME, runs=(a_run(), a_run("kiteconnect", withheld=7)))
    assert [note.partition(" ticks")[0] for note in both.notes] == ["kiteconnect: 7"]
