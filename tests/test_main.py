"""``python -m kitecli``."""

from __future__ import annotations


def test_it_is_kite(run_kite):
    assert run_kite("--version").stdout.startswith("kite ")
