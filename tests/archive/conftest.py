"""One recorded day for all tests that only read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archive.stores import record_day


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    record_day(folder)
    return folder
