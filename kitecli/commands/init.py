"""``kite init``: a configuration file to edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kitecli.commands._shared import JsonOption, print_json, say


def init(
    folder: Annotated[Path, typer.Option("--path", help="The folder to write config/ into.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write config/config.yaml, every setting with its default, and .env.example for the secrets.

    What exists is kept unless --force is given.

    Examples:

      kite init

      kite init --path ~/trading
    """
    from kitecli.settings.starter import write_starter

    written = [str(path) for path in write_starter(folder, replace=force)]
    if as_json:
        print_json({"written": written})
        return
    for path in written:
        typer.echo(path)
    say("Uncomment what you change, then look at it with kite config show.")
