"""A client's process: what it fails with is raised where it was started."""

from __future__ import annotations

import pytest

from kitecli.errors import TooManyInstruments
from kitecli.gateway.spec import GatewaySpec
from kitecli.loadtest.child import Child
from kitecli.loadtest.client import Job


def test_what_keeps_it_from_starting_is_raised_here(tmp_path):
    spec = GatewaySpec("ws://127.0.0.1:1", "key", {1: "quote", 2: "quote"}, 64, str(tmp_path), connections=0)
    with (
        Child("kite", Job(spec.to_line(), [257], "quote", 10, "reader 1", 1), str(tmp_path)) as child,
        pytest.raises(TooManyInstruments),
    ):
        child.ready()
