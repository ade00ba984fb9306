"""Candles as files of three forms: CSV, NDJSON and Parquet, one for all instruments or one for each."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO, Final, Protocol

import numpy as np

from kitecli.broker.historical import CANDLE_DTYPE, Candles
from kitecli.candles.plan import Days
from kitecli.errors import EnvironmentProblem, UsageError
from kitecli.files import replacing, unwritable
from kitecli.market.calendar.session import IST_OFFSET_S

FORMS: Final = ("csv", "ndjson", "parquet")
NO_CANDLES: Final = np.zeros(0, CANDLE_DTYPE)
_PRICES: Final = ("open", "high", "low", "close")


class Writer(Protocol):
    """Adds an instrument's candles to a file that is open."""

    def __call__(self, name: str, candles: Candles) -> None: ...


def form_of(out: Path, form: str | None, usual: str | None = FORMS[0]) -> str:
    """The form of a file's name, or the one asked for, or the ``usual`` one.

    Raises :class:`UsageError` where they differ, and where nothing says it.
    """
    named = out.suffix.lower().removeprefix(".") if is_file(out) else None
    if form is not None and form not in FORMS:
        raise UsageError(f"There is no form {form!r}", hint="the forms are " + ", ".join(FORMS))
    if named and form and named != form:
        raise UsageError(
            f"{out} is a name for {named}, and --format says {form}", hint="leave --format out, or rename the file"
        )
    if (found := form or named or usual) is None:
        raise UsageError(
            f"Nothing says in which form {out} is to be written",
            hint=f"give --format, or a name that ends in .{', .'.join(FORMS[:-1])} or .{FORMS[-1]}",
        )
    return found


def is_file(out: Path) -> bool:
    """Whether the name is a file's for all instruments; else it is a folder's."""
    return out.suffix.lower().removeprefix(".") in FORMS and not out.is_dir()


def file_name(name: str, interval: str, days: Days, form: str) -> str:
    """``NSE-INFY-minute-2024-01-01-2026-11-20.csv``."""
    plain = re.sub(r"[^A-Za-z0-9&.]+", "-", name)
    return f"{plain}-{interval}-{days.first}-{days.last}.{form}"


def check_writable(out: Path, form: str) -> None:
    """Whether a file of that form can be written there; a folder is made.

    Raises :class:`UsageError` for a name that is something else already, :class:`EnvironmentProblem` otherwise.
    """
    if form == "parquet":
        _duckdb()
    if out.is_file() and not is_file(out):
        raise UsageError(f"{out} is a file, not a folder", hint=f"name a folder, or a file that ends in .{form}")
    folder = out.parent if is_file(out) else out
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise unwritable(folder, error, given=True) from error


@contextmanager
def writing(path: Path, form: str, *, oi: bool) -> Iterator[Writer]:
    """A file that takes ``path``'s place when the block ends well."""
    with ExitStack() as stack:
        file = stack.enter_context(replacing(path, given=True))
        if form == "parquet":
            yield stack.enter_context(_parquet(file, oi=oi))
        else:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            yield (_csv if form == "csv" else _ndjson)(text, oi=oi)
            text.flush()
            text.detach()


def columns_of(name: str, candles: Candles, *, oi: bool) -> dict[str, list[object]]:
    """By name, in order; times as ``2026-11-20T09:15:00+05:30``."""
    clocks = np.datetime_as_string((candles["start_s"] + IST_OFFSET_S).astype("M8[s]"))
    found: dict[str, list[object]] = {"instrument": [name] * candles.size, "time": [f"{one}+05:30" for one in clocks]}
    for field in (*_PRICES, "volume", *(("oi",) if oi else ()), "settled"):
        found[field] = candles[field].tolist()
    return found


def _csv(text: IO[str], *, oi: bool) -> Writer:
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns_of("", NO_CANDLES, oi=oi))

    def add(name: str, candles: Candles) -> None:
        columns = columns_of(name, candles, oi=oi)
        columns["settled"] = ["true" if one else "false" for one in columns["settled"]]
        writer.writerows(zip(*columns.values(), strict=True))

    return add


def _ndjson(text: IO[str], *, oi: bool) -> Writer:
    def add(name: str, candles: Candles) -> None:
        columns = columns_of(name, candles, oi=oi)
        rows = zip(*columns.values(), strict=True)
        text.writelines(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)

    return add


@contextmanager
def _parquet(file: IO[bytes], *, oi: bool) -> Iterator[Writer]:
    """Through a table on disk: many instruments' candles need not fit into memory."""
    duckdb = _duckdb()
    fields = "open, high, low, close, volume, " + ("oi, " if oi else "") + "settled"
    columns = f"instrument::varchar as instrument, to_timestamp(start_s) as time, {fields}"
    chosen = f"select {columns} from chunk"  # noqa: S608 - no input in it
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(f"{folder}/candles.db") as table:

        def add(name: str, candles: Candles, how: str = "insert into candles ") -> None:
            columns = {field: np.ascontiguousarray(candles[field]) for field in CANDLE_DTYPE.names or ()}
            table.register("chunk", {"instrument": np.full(candles.size, name), **columns})
            table.execute(how + chosen)

        add("", NO_CANDLES, "create table candles as ")
        yield add
        written = Path(folder, "candles.parquet")
        quoted = str(written).replace("'", "''")
        table.execute(f"copy candles to '{quoted}' (format parquet)")
        with written.open("rb") as made:
            shutil.copyfileobj(made, file)


def _duckdb() -> ModuleType:
    try:
        import duckdb
    except ImportError:
        raise EnvironmentProblem(
            "Parquet can't be written here",
            why="it needs the package duckdb, which isn't installed",
            hint="Run: pip install 'kitecli[lake]', or take --format csv",
        ) from None
    module: ModuleType = duckdb
    return module
