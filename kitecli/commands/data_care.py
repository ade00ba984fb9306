"""``kite data verify`` and ``salvage``: whether a recording is whole, and what to keep of one that isn't."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kitecli.commands._recordings import FileArgument, StoreOption, progress, root_of
from kitecli.commands._shared import JsonOption, print_json, print_rows, say
from kitecli.errors import RecordingDamaged, UsageError
from kitecli.terminal.numbers import counted

if TYPE_CHECKING:
    from kitecli.store.recovery import Examination, Verdict


def verify(context: typer.Context, where: FileArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Look at every byte of a recording; end with 6 where any is damaged, and name what is lost.

    Examples:

      kite data verify 2026-11-20

      kite data verify ./2026-11-20/0003.kseg --json
    """
    from kitecli.terminal.recordings import VERDICT_HEADS, verdict_dict, verdict_row

    verdicts = judged(where, root_of(context, store))
    if as_json:
        print_json([verdict_dict(verdict) for verdict in verdicts])
    else:
        print_rows(VERDICT_HEADS, map(verdict_row, verdicts))
    refuse_damage(where, verdicts)


def salvage(
    file: Annotated[Path, typer.Argument(help="A damaged segment, as …/2026-11-20/0003.kseg.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="The new file; default: beside it, 0003.salvaged.kseg.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write what is whole of a damaged segment into a new file, each hole noted in it. The old one isn't touched.

    Examples:

      kite data salvage recordings/2026-11-20/0003.kseg

      kite data salvage 0003.kseg --out rescued/0003.kseg
    """
    from kitecli.terminal.recordings import hole_dict, hole_text

    target = out or file.with_suffix(".salvaged.kseg")
    found = saved(file, target)
    if as_json:
        written = str(target) if found.holes else None
        print_json({"file": written, "records": found.records, "lost": [hole_dict(hole) for hole in found.holes]})
    for hole in found.holes:
        say(f"kite: {hole_text(hole)}")
    if not found.holes:
        say(f"kite: {file} is whole: nothing was written")
        return
    say(
        f"kite: {counted(found.records)} records in {target}; "
        f"to read the day with it, put it in the place of {file.name}, as {file.stem}.kseg"
    )


def saved(file: Path, target: Path) -> Examination:
    """Salvage; raises DataError for a file that is none of ours, UsageError for a target that is there."""
    from kitecli.files import unwritable
    from kitecli.store.recovery import salvage

    try:
        return salvage(file, target)
    except FileExistsError:
        raise UsageError(f"{target} is there already", hint="remove it, or name another file with --out") from None
    except OSError as error:
        raise unwritable(target, error, given=True) from error


def judged(where: str, root: Path) -> list[Verdict]:
    """What is to be said of each file; how quick it went is said on stderr."""
    from kitecli.archive.places import files_at
    from kitecli.catalogue import trading_today
    from kitecli.store.folder import disk_bytes
    from kitecli.store.recovery import verify_files
    from kitecli.store.segment import born_paths

    paths, began_s = files_at(where, root, trading_today()), time.monotonic()
    alone = paths == [Path(where)]
    paths = paths if alone else born_paths(paths[0].parent)
    total = sum(map(disk_bytes, paths))
    verdicts = []
    with progress("verifying", total) as step:
        for verdict in verify_files(paths, None if alone else 0):
            verdicts.append(verdict)
            step(disk_bytes(verdict.path))
    taken_s = max(time.monotonic() - began_s, 1e-9)
    rate = f"{total / 1e6:,.1f} MB at {counted(total / taken_s / 1e6)} MB/s"
    say(f"kite: {len(paths)} file{'' if len(paths) == 1 else 's'}, {rate}")
    return verdicts


def refuse_damage(where: str, verdicts: Sequence[Verdict]) -> None:
    """Raise :class:`RecordingDamaged`, or what else the first bad file's problem is."""
    from kitecli.terminal.recordings import findings

    bad = [verdict for verdict in verdicts if not verdict.sound]
    if not bad:
        return
    if bad[0].problem is not None and len(verdicts) == 1:
        raise bad[0].problem
    lost = [verdict for verdict in bad if verdict.found is None or verdict.found.holes]
    raise RecordingDamaged(
        f"{where} is damaged: {len(lost)} of {len(verdicts)} files" if lost else f"Something is missing in {where}",
        why=f"{bad[0].path.name}: {'; '.join(findings(bad[0]))}",
        hint=(
            "kite data salvage FILE keeps what is whole, and notes what isn't"
            if lost
            else "Look for what was removed; --past-damage reads on without it"
        ),
    )
