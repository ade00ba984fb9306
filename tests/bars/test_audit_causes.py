"""Users look causes up."""

from pathlib import Path

import pytest

from kitecli.bars.audit_causes import Cause

PAGE = Path(__file__).resolve().parents[2] / "docs" / "audit-bars.md"


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_is_explained_in_the_documentation(cause):
    assert f"| `{cause}` |" in PAGE.read_text()
