"""The table of verbs against the verbs there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from kitecli.cli import app
from kitecli.verbs import VERBS

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_is_loaded_under_its_name_and_says_what_the_table_says(name: str):
    command = get_command(app).get_command(None, name)
    assert (command.name, command.get_short_help_str(100)) == (name, VERBS[name])


def test_the_table_has_the_verbs_of_the_reference():
    documented = re.findall(r"^## kite ([a-z-]+)", REFERENCE.read_text(), re.MULTILINE)
    assert set(documented) == set(VERBS)
