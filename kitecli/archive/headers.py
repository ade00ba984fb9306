"""What a recording's files say of themselves, without reading their records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from kitecli.errors import DataError
from kitecli.store.header import NO_MASTER
from kitecli.store.segment import SegmentReader


def readable_facts(paths: Iterable[Path]) -> Iterator[dict[str, object]]:
    """The header of each file; what can't be read says why."""
    for path in paths:
        try:
            yield header_facts(path)
        except DataError as problem:
            yield {"file": path.name, "problem": problem.as_dict()}


def header_facts(path: Path) -> dict[str, object]:
    """A file's header, where it ends and what it was written with. Raises DataError where it is none of ours."""
    with SegmentReader(path) as reader:
        header, end = reader.header, reader.end
        return {
            "file": path.name,
            "bytes_on_disk": reader.file_bytes,
            "bytes": reader.size,
            "day": str(header.day),
            "segment": header.segment,
            "created_ns": header.created_ns,
            "first_record": header.first_record,
            "records": end.number if end is not None else None,
            "ended": end is not None,
            "last_ns": end.high_ns if end is not None else None,
            "master": None if header.master == NO_MASTER else header.master.hex(),
            **header.about,
        }
