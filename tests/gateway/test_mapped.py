"""Where a gateway's memory stands."""

import pytest

from kitecli.errors import EnvironmentProblem
from kitecli.gateway import mapped
from kitecli.gateway.mapped import bars_of, ring_of, seats_path
from kitecli.gateway.spec import GatewaySpec

SPEC = GatewaySpec("ws://nowhere", "key", {}, 1000, None, intervals=("1s",), bar_capacity=100, bar_grace_ms=7)


def test_without_a_folder_it_is_private():
    ring = ring_of(SPEC)
    bars = bars_of(SPEC, ring)
    assert (ring.path, ring.layout.capacity) == (None, 1024)
    assert (bars.path, bars.layout.capacity, bars.grace_ms) == (None, 128, 7)
    assert bars.layout.rows == ring.layout.board_capacity
    assert bars_of(GatewaySpec("ws://nowhere", "key", {}, 1000, None), ring) is None


def test_others_can_only_share_it_with_the_compiled_pass(tmp_path, monkeypatch):
    spec = GatewaySpec("ws://nowhere", "key", {}, 1000, str(tmp_path))
    monkeypatch.setattr(mapped, "COMPILED", False)
    with pytest.raises(EnvironmentProblem, match="compiled pass"):
        ring_of(spec)
    monkeypatch.setattr(mapped, "COMPILED", True)
    ring = ring_of(spec)
    assert ring.path.parent == tmp_path
    assert seats_path(ring.path).suffix == ".seats"
    ring.remove()
