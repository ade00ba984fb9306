"""A command's own lines are tested where they are shown, in test_logs.py; here, that they name no verb there isn't."""

from __future__ import annotations

from kitecli.cli import app
from kitecli.commands._log import LASTING


def test_lasting_verbs_are_verbs():
    verbs = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    for group in app.registered_groups:
        assert group.typer_instance is not None
        named = group.typer_instance.registered_commands
        verbs |= {f"{group.name} {one.name or one.callback.__name__}" for one in named if one.callback}
    assert verbs >= LASTING
