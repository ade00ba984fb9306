"""``python -m kitecli.loadtest``: what it dies of is heard by whoever started it."""

from __future__ import annotations

import pytest

from kitecli.errors import EnvironmentProblem
from kitecli.loadtest.child import Child
from kitecli.loadtest.client import Job


def test_a_death_is_told_with_its_last_line(tmp_path):
    with Child("kite", Job("no spec", [257], "quote", 10, "reader 1", 1), str(tmp_path)) as child:
        with pytest.raises(EnvironmentProblem, match="reader 1 failed before it was ready") as died:
            child.ready()
        assert "JSONDecodeError" in died.value.why
