"""Both implementations of the log, and what tests write with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kitecli.store import log
from kitecli.store.scanning import Place, scan_in_python
from kitecli.store.stage import Stage

STAGES: list[Any] = [pytest.param(Stage, id="reference")]
SCANS: list[Any] = [pytest.param(scan_in_python, id="reference")]
if log.COMPILED:
    STAGES.append(pytest.param(log.Stage, id="compiled"))
    SCANS.append(pytest.param(log.scan, id="compiled"))

each_stage = pytest.mark.parametrize("make_stage", STAGES)
each_scan = pytest.mark.parametrize("scan", SCANS)

SEED = 0xC0FFEE
START = 104


def staged(make_stage: Callable[[int], Any], capacity: int = 1 << 24) -> Any:
    """A stage whose segment began at ``START``."""
    stage = make_stage(capacity)
    stage.begin(SEED, START, 0)
    return stage


def framed(stage: Any, until: int = 1 << 40) -> bytes:
    """Everything that waits, framed."""
    out, pieces = bytearray(stage.out_bytes), []
    while size := stage.frame(out, until):
        pieces.append(bytes(out[:size]))
    return b"".join(pieces)


def beginning() -> Place:
    return Place(START, 0, 0)
