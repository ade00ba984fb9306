"""Reads a table into columns: CSV with the standard library, Parquet with DuckDB where it is installed."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
from numpy.typing import NDArray

from kitecli.clock import IST
from kitecli.errors import DataError, EnvironmentProblem

# Any: a column is text or numbers or times, as its file has it.
Column = NDArray[Any]
Columns = Mapping[str, Column]

_IST_OFFSET_NS: Final = 19_800_000_000_000
_INTERRUPTED: Final = "Query interrupted"
"""DuckDB takes Ctrl-C for itself while it works, and says no more than this."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# The epoch's size says its unit: 1e11 seconds are the year 5138, 1e11 milliseconds 1973.
_UNITS: Final = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1000))


def read_table(path: Path) -> dict[str, Column]:
    """The columns of a .csv, .csv.gz or .parquet file, rows in the file's order.

    Raises DataError where there is no such file or it is no table, EnvironmentProblem where Parquet needs a package.
    """
    if not path.is_file():
        raise DataError(f"There is no file {path}", hint="Give the path of a .csv, .csv.gz or .parquet table of ticks")
    name = path.name.lower()
    if name.endswith(".parquet"):
        return _read_parquet(path)
    if name.endswith((".csv", ".csv.gz")):
        return _read_csv(path)
    raise DataError(
        f"{path.name} is no table kite can read",
        why="its name ends in neither .csv, .csv.gz nor .parquet",
        hint="Rename or convert it",
    )


def _read_parquet(path: Path) -> dict[str, Column]:
    try:
        import duckdb
    except ImportError:
        raise EnvironmentProblem(
            f"{path.name} can't be read here",
            why="reading Parquet needs the package duckdb, which isn't installed",
            hint="Run: pip install 'kitecli[lake]'",
        ) from None
    try:
        with duckdb.connect() as connection:
            table = connection.sql("select * from read_parquet($file)", params={"file": str(path)})
            # DuckDB hands out times with a zone as it does those without; as numbers they keep their meaning
            zoned = [name for name, kind in zip(table.columns, table.types, strict=True) if "TIME ZONE" in str(kind)]
            numbers = ", ".join(f'epoch_ns("{name}") as "{name}"' for name in zoned)
            found: dict[str, Column] = table.project(f"* replace ({numbers})" if zoned else "*").fetchnumpy()
    except RuntimeError as error:
        if str(error) != _INTERRUPTED:
            raise
        raise KeyboardInterrupt from error
    except duckdb.Error as error:
        raise DataError(
            f"{path.name} can't be read", why=str(error).splitlines()[0], hint="Is it a whole Parquet file?"
        ) from None
    return found


def _read_csv(path: Path) -> dict[str, Column]:
    try:
        with _open_text(path) as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} can't be read", why=str(error), hint="Is it a whole CSV file?") from None
    if not rows:
        raise DataError(f"{path.name} is empty", hint="Its first line must name the columns")
    heads, width = rows[0], len(rows[0])
    for line, row in enumerate(rows, start=1):
        if len(row) != width:
            raise DataError(
                f"Line {line} of {path.name} can't be read",
                why=f"it has {len(row)} fields, the first line {width}",
                hint="Was the file cut short?",
            )
    columns = zip(*rows[1:], strict=True) if len(rows) > 1 else ((),) * width
    return {head: np.array(column, dtype=str) for head, column in zip(heads, columns, strict=True)}


def _open_text(path: Path) -> TextIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def as_numbers(column: Column, name: str = "a column") -> NDArray[np.float64]:
    """(n,) float64; what is missing is 0, as the wire has it. Raises DataError for a text that is no number."""
    values = np.ma.filled(column, 0) if isinstance(column, np.ma.MaskedArray) else column
    if values.dtype.kind in "UO":
        values = np.where(values == "", "0", values)
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{_first_text(values)} of {name} is no number",
            why=str(error),
            hint="Correct the table or rename the column",
        ) from None
    finite: NDArray[np.float64] = np.where(np.isfinite(numbers), numbers, 0.0)
    return finite


def _first_text(values: Column) -> str:
    for row, value in enumerate(values.tolist(), start=1):
        try:
            float(value)
        except (TypeError, ValueError):
            return f"Row {row}"
    return "A row"


def as_texts(column: Column) -> NDArray[np.str_]:
    return np.ma.filled(column, "").astype(str) if isinstance(column, np.ma.MaskedArray) else column.astype(str)


def as_epoch_ms(column: Column) -> NDArray[np.int64]:
    """(n,) int64 milliseconds since 1970: :func:`as_epoch_ns`, cut."""
    return as_epoch_ns(column) // 1_000_000


def as_epoch_ns(column: Column) -> NDArray[np.int64]:
    """(n,) int64 nanoseconds since 1970 of seconds, ms, us or ns, of dates, or of ISO texts; without a zone, IST.

    What is missing is 0. Whole numbers are kept to the last digit.
    """
    if column.dtype.kind == "M":
        naive = np.ma.filled(column, np.datetime64("NaT")).astype("datetime64[ns]")
        stamps: NDArray[np.int64] = np.where(np.isnat(naive), 0, naive.astype(np.int64) - _IST_OFFSET_NS)
        return stamps
    whole = _whole_numbers(column)
    if whole is not None:
        return whole * _unit_ns(float(whole.max(initial=0)))
    try:
        numbers = as_numbers(column)
    except DataError:
        return np.array([_iso_ns(text) for text in as_texts(column).tolist()], np.int64)
    return np.rint(numbers * _unit_ns(float(numbers.max(initial=0.0)))).astype(np.int64)


def _whole_numbers(column: Column) -> NDArray[np.int64] | None:
    """A column of whole numbers, as they are or as texts; None for any other."""
    values = np.ma.filled(column, 0) if isinstance(column, np.ma.MaskedArray) else column
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind != "U":
        return None
    try:
        found: NDArray[np.int64] = np.where(values == "", "0", values).astype(np.int64)
    except ValueError:
        return None
    return found


def _unit_ns(largest: float) -> int:
    return next((unit_ns for below, unit_ns in _UNITS if largest < below), 1)


def _iso_ns(text: str) -> int:
    if not text:
        return 0
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(
            f"{text!r} in the table is no time", hint="Times are epoch seconds or milliseconds, or ISO 8601"
        ) from None
    since = (at if at.tzinfo else at.replace(tzinfo=IST)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
