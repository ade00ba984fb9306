"""``kite data``: all its verbs, and that none of them costs the others anything."""

from __future__ import annotations

import subprocess
import sys

from kitecli.commands.data import app


def test_every_verb_is_there():
    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    assert sorted(names) == sorted(
        ["list", "info", "show", "gaps", "verify", "salvage", "export", "import", "seal", "prune", "download"]
    )
    assert all(command.short_help for command in app.registered_commands)


def test_importing_them_loads_nothing_heavy():
    script = (
        "import sys, kitecli.commands.data\n"
        "print([name for name in ('numpy', 'rich', 'duckdb', 'pyarrow', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
