"""A client's process: what it says is heard, and what it dies of too."""

from __future__ import annotations

import pytest

from kitecli.errors import EnvironmentProblem, TooManyInstruments
from kitecli.gateway.spec import GatewaySpec
from kitecli.loadtest.child import Child
from kitecli.loadtest.client import Job


def job(spec: str) -> Job:
    return Job(spec, [257], "quote", 10, "reader 1", 1)


def test_what_keeps_it_from_starting_is_raised_here(tmp_path):
    spec = GatewaySpec("ws://127.0.0.1:1", "key", {1: "quote", 2: "quote"}, 64, str(tmp_path), connections=0)
    with Child("kite", job(spec.to_line()), str(tmp_path)) as child, pytest.raises(TooManyInstruments):
        child.ready()


def test_a_death_is_told_with_its_last_line(tmp_path):
    with Child("kite", job("no spec"), str(tmp_path)) as child:
        with pytest.raises(EnvironmentProblem, match="reader 1 failed before it was ready") as died:
            child.ready()
        assert "JSONDecodeError" in died.value.why
