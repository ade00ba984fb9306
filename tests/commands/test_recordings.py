"""What the verbs that read recordings share."""

from __future__ import annotations

from pathlib import Path

import typer

from kitecli.cli import app
from kitecli.commands._recordings import part_of, progress, root_of
from kitecli.commands._shared import GlobalOptions
from kitecli.store.spans import Span
from tests.archive.stores import INFY, START_NS, record_day


def test_a_part_is_a_day_its_names_and_what_was_asked_for(tmp_path: Path):
    record_day(tmp_path, messages=5)
    with part_of("2026-11-20", tmp_path, ["INFY"], "09:15", None) as part:
        assert (list(part.tokens), part.span) == ([INFY], Span(START_NS, None))
        assert part.names.why_not == ""
    with part_of("2026-11-20", tmp_path, None, None, None) as part:
        assert (list(part.tokens), part.span) == ([], Span())


def test_the_folder_is_the_named_one_or_that_of_the_settings(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))

    def root(*overrides: tuple[str, str], named: Path | None = None) -> Path:
        context = typer.Context(typer.main.get_command(app), obj=GlobalOptions(overrides=dict(overrides)))
        return root_of(context, named)

    assert root() == tmp_path / "recordings"
    assert root(("datafeed.store_folder", "/mnt/ticks")) == Path("/mnt/ticks")
    assert root(named=Path("other")) == Path("other")


def test_progress_is_silent_where_nobody_looks(capfd):
    with progress("reading", 10) as step:
        step(10)
    assert capfd.readouterr() == ("", "")
