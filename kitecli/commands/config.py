"""``kite config``: what is set, where it came from, and what each key does."""

from __future__ import annotations

import typer

from kitecli.commands._shared import JsonOption, print_json, print_rows, say, settings_of

app = typer.Typer(help="Show the settings in force, and where each came from.", no_args_is_help=True)


@app.command()
def show(context: typer.Context, as_json: JsonOption = False) -> None:
    """Print every setting with its value and origin.

    A note stands beside a key that does less than its name promises. Secrets are masked. Values are set in the
    configuration file, by a profile, in the environment or with --set.

    Examples:

      kite config show

      kite --profile maximum-speed config show --json
    """
    from kitecli.settings.report import as_document, setting_rows

    settings = settings_of(context, quietly=True)
    if as_json:
        print_json(as_document(settings))
        return
    rows = [(row.key, row.text, row.origin, row.notice) for row in setting_rows(settings)]
    print_rows(("setting", "value", "from", "note"), rows)


@app.command()
def path(context: typer.Context, as_json: JsonOption = False) -> None:
    """Print the configuration file in force.

    Where it is looked for goes to stderr.

    Example:

      kite config path
    """
    from kitecli.settings.report import places

    settings = settings_of(context, quietly=True)
    if as_json:
        print_json({"file": settings.file and str(settings.file), "places": places()})
        return
    if settings.file:
        typer.echo(settings.file)
    say("looked for, in this order: " + ", ".join(places()))
