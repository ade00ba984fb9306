"""What every command has in common: the ``--json`` option, the settings, and the two ways of printing rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

if TYPE_CHECKING:
    from kitecli.settings import Settings
    from kitecli.terminal.feed_status import Section

JSON_ASKED: Final = "kitecli.json"
LOG_KEPT: Final = "kitecli.log"


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """What stands before the verb: ``kite --config FILE --profile NAME --set KEY=VALUE …``."""

    config: Path | None = None
    profile: str | None = None
    overrides: dict[str, str] = field(default_factory=dict)


def _note_json(context: typer.Context, asked: bool) -> bool:
    # click shares `meta` between a command and its parents: the error boundary reads there how to print an error.
    context.meta[JSON_ASKED] = asked
    return asked


JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON; errors become one JSON line on stderr.", callback=_note_json)
]


def settings_of(context: typer.Context, *, quietly: bool = False) -> Settings:
    """The settings this command runs with; what is to be said about them goes to stderr, unless ``quietly``.

    Raises :class:`~kitecli.errors.ConfigError`.
    """
    from kitecli.settings import load

    given = context.find_root().obj
    options = given if isinstance(given, GlobalOptions) else GlobalOptions()
    settings = load(path=options.config, profile=options.profile, flags=options.overrides)
    for warning in () if quietly else filter(None, (*settings.warnings, settings.exposed)):
        say(f"kite: {warning}")
    _keep_log(context, settings)
    return settings


def _keep_log(context: typer.Context, settings: Settings) -> None:
    from kitecli.commands._log import CommandLog

    if LOG_KEPT not in context.meta:
        context.meta[LOG_KEPT] = CommandLog(settings, _verb(context), say)


def _verb(context: Any) -> str:  # Any: its class is click's before Typer 0.29 and Typer's own since
    """As ``data list``: without the program's name, which is whatever it was started by."""
    parent = context.parent
    return "" if parent is None else f"{_verb(parent)} {context.info_name}".strip()


def say(text: str) -> None:
    """A line for people, on stderr: stdout is data."""
    typer.echo(text, err=True)


def print_json(value: object) -> None:
    """One JSON document on one line of stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def print_sections(sections: Iterable[Section]) -> None:
    """Tables one below the other; where another program reads, each row begins with its table's title."""
    for section in sections:
        if sys.stdout.isatty():
            print_rows(section.heads, section.rows)
            typer.echo()
        else:
            print_rows((), ((section.title, *row) for row in section.rows))


def print_rows(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table: drawn on a terminal, tab-separated where another program reads."""
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for number, head in enumerate(heads):  # on a narrow terminal words wrap, and nothing is cut off
        table.add_column(head, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)
