"""``kite config``: what is set, where it came from, and what each key does."""

from __future__ import annotations

import typer

app = typer.Typer(help="Show the settings in force, and where each came from.", no_args_is_help=True)
