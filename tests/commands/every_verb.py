"""The verbs there are, as Typer has them."""

from __future__ import annotations

from collections.abc import Callable

from typer.main import get_command

from kitecli.cli import app
from kitecli.verbs import VERBS


def every_verb() -> dict[str, Callable[..., object]]:
    """Each verb's function by its name: ``feed``, ``data list``."""
    root = get_command(app)
    found = {}
    for name in VERBS:
        verb = root.get_command(None, name)
        for inner, command in getattr(verb, "commands", {"": verb}).items():
            found[f"{name} {inner}".strip()] = command.callback
    return found
