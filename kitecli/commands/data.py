"""``kite data``: what is recorded and what else there is in files."""

from __future__ import annotations

import typer

from kitecli.commands.data_care import salvage, verify
from kitecli.commands.data_days import gaps, info, list_days
from kitecli.commands.data_download import download
from kitecli.commands.data_export import export
from kitecli.commands.data_import import import_files
from kitecli.commands.data_room import prune, seal
from kitecli.commands.data_show import show

app = typer.Typer(help="Recordings and other market data in files.", no_args_is_help=True)

app.command(name="list", short_help="List the days there are recordings of.")(list_days)
app.command(short_help="Tell what a day's recording, or one of its files, holds.")(info)
app.command(short_help="Print recorded ticks.")(show)
app.command(short_help="Print a day's outages.")(gaps)
app.command(short_help="Look at every byte of a recording.")(verify)
app.command(short_help="Keep what is whole of a damaged file.")(salvage)
app.command(short_help="Write recorded ticks as Parquet, CSV or NDJSON.")(export)
app.command(name="import", short_help="Make a recording of tables or of saved ticks.")(import_files)
app.command(short_help="Pack what was recorded.")(seal)
app.command(short_help="Remove days beyond an age or a size.")(prune)
app.command(short_help="Download historical candles.")(download)
