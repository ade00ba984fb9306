"""Where masters are kept. Light: shell completion asks at every press of a key."""

from __future__ import annotations

import os

from kitecli.folders import data_dir

SIMULATED = "sim"
"""The source of all simulated exchanges: their instruments never mix with a real one's."""


def instruments_dir(source: str) -> str:
    """The folder of one source's masters."""
    return os.path.join(data_dir(), "instruments", source)  # noqa: PTH118 - as above


def newest_index(source: str) -> str | None:
    """The path of a source's newest index; their names begin with the day."""
    folder = instruments_dir(source)
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".index")]  # noqa: PTH208 - as above
    except OSError:
        return None
    return os.path.join(folder, max(names)) if names else None  # noqa: PTH118 - as above
