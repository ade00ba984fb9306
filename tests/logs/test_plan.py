"""A log's plan arrives at a child process as it was."""

from __future__ import annotations

import json

from kitecli.logs.plan import LogPlan


def test_it_survives_the_way_through_json():
    plan = LogPlan("/somewhere", "warning", {"feed": "debug"}, 5_000, 2, "json", 0.0)
    assert LogPlan.from_plain(json.loads(json.dumps(plan.as_plain()))) == plan
