"""Reads a table into columns: CSV with the standard library, Parquet with DuckDB where it is installed."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
from numpy.typing import NDArray

from kitecli.clock import IST
from kitecli.errors import DataError, EnvironmentProblem

# Any: a column is text or numbers or times, as its file has it.
Column = NDArray[Any]
Columns = Mapping[str, Column]

_IST_OFFSET_MS: Final = 19_800_000
# The epoch's size says its unit: 1e11 seconds are the year 5138, 1e11 milliseconds 1973.
_UNITS: Final = ((1e11, 1000.0), (1e14, 1.0), (1e17, 1e-3))


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
            found: dict[str, Column] = connection.execute("select * from read_parquet(?)", [str(path)]).fetchnumpy()
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


def as_numbers(column: Column) -> NDArray[np.float64]:
    """(n,) float64; what is missing is 0, as the wire has it. Raises DataError for a text that is no number."""
    values = np.ma.filled(column, 0) if isinstance(column, np.ma.MaskedArray) else column
    if values.dtype.kind in "UO":
        values = np.where(values == "", "0", values)
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            "A column of the table isn't numbers", why=str(error), hint="Correct the table or rename the column"
        ) from None
    finite: NDArray[np.float64] = np.where(np.isfinite(numbers), numbers, 0.0)
    return finite


def as_texts(column: Column) -> NDArray[np.str_]:
    return np.ma.filled(column, "").astype(str) if isinstance(column, np.ma.MaskedArray) else column.astype(str)


def as_epoch_ms(column: Column) -> NDArray[np.int64]:
    """(n,) int64 milliseconds since 1970 of seconds, ms, us or ns, of dates, or of ISO texts; without a zone, IST."""
    if column.dtype.kind == "M":
        stamps: NDArray[np.int64] = np.ma.filled(column).astype("datetime64[ms]").astype(np.int64) - _IST_OFFSET_MS
        return stamps
    try:
        numbers = as_numbers(column)
    except DataError:
        return np.array([_iso_ms(text) for text in as_texts(column).tolist()], np.int64)
    largest = float(numbers.max(initial=0.0))
    factor = next((factor for below, factor in _UNITS if largest < below), 1e-6)
    return (numbers * factor).astype(np.int64)


def _iso_ms(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(
            f"{text!r} in the table is no time", hint="Times are epoch seconds or milliseconds, or ISO 8601"
        ) from None
    return round((at if at.tzinfo else at.replace(tzinfo=IST)).timestamp() * 1000)
