"""``kite data seal`` and ``prune``: what a store takes of the disk."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kitecli.commands._recordings import StoreOption, progress, root_of
from kitecli.commands._shared import JsonOption, print_json, print_rows, say
from kitecli.errors import DataError, UsageError

if TYPE_CHECKING:
    from kitecli.store.pruning import PrunePlan
    from kitecli.store.sealing import SealProgress

GB: Final = 1_000_000_000


def seal(context: typer.Context, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Pack every ended segment, after seeing that each byte comes back; what is being written is left alone.

    May be stopped anywhere: a raw file goes only when its packed one is whole.

    Examples:

      kite data seal

      kite data seal --store /mnt/recordings --json
    """
    from kitecli.terminal.recordings import SEAL_HEADS, seal_dict, seal_rows

    done = [one for place in stores_of(root_of(context, store)) for one in sealed(place)]
    if as_json:
        print_json([seal_dict(one) for one in done])
    else:
        print_rows(SEAL_HEADS, seal_rows(done))
    say(f"kite: {sum(one.packed is not None for one in done)} of {len(done)} segments sealed")
    refuse_unsealed(done)


def prune(
    context: typer.Context,
    older_than: Annotated[int | None, typer.Option(help="Days: what is older goes.", min=0)] = None,
    keep_gb: Annotated[float | None, typer.Option(help="GB that may stay; the oldest days go first.", min=0)] = None,
    unsealed: Annotated[bool, typer.Option("--unsealed", help="Days that aren't packed may go, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without, it is only said.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove whole days of recordings beyond an age or a size. Says which; with --yes it does it.

    Today's day stays, and so does what is being written.

    Examples:

      kite data prune --older-than 90

      kite data prune --keep-gb 200 --unsealed --yes
    """
    from kitecli.terminal.recordings import PRUNE_HEADS, prune_dict, prune_rows

    plans = planned(stores_of(root_of(context, store)), older_than, keep_gb, unsealed=unsealed)
    if as_json:
        print_json([prune_dict(place, plan, done=yes) for place, plan in plans.items()])
    else:
        print_rows(PRUNE_HEADS, (row for plan in plans.values() for row in prune_rows(plan)))
    for place, plan in plans.items():
        say(f"kite: {place}: {carry_out(place, plan, yes=yes)}")


def sealed(store: Path) -> list[SealProgress]:
    """Seal a store; returns where each segment has come to."""
    from kitecli.store.folder import SUFFIX, day_folders, disk_bytes, segment_paths
    from kitecli.store.sealing import seal_ended

    raw = (path for folder in day_folders(store) for path in segment_paths(folder) if path.suffix == SUFFIX)
    done: list[SealProgress] = []
    so_far = 0
    with progress("sealing", sum(map(disk_bytes, raw))) as step:
        for one in seal_ended(store):
            step(max(0, one.done - so_far))
            over = one.packed is not None or one.problem is not None
            so_far = 0 if over else one.done
            done += [one] if over else []
    return done


def refuse_unsealed(done: list[SealProgress]) -> None:
    """Raise :class:`DataError` where some stayed raw."""
    problems = [one.problem for one in done if one.problem is not None]
    if problems:
        raise DataError(
            f"{len(problems)} of {len(done)} segments couldn't be sealed",
            why=f"{problems[0].what}: {problems[0].why}",
            hint="They stay as they are; kite data verify says more",
        )


def stores_of(root: Path) -> list[Path]:
    """The stores in a folder. Raises :class:`DataError` where there is none."""
    from kitecli.archive.places import stores_in

    found = stores_in(root)
    if not found:
        raise DataError(f"There are no recordings in {root}", hint="--store names another folder")
    return found


def planned(
    stores: list[Path], older_than: int | None, keep_gb: float | None, *, unsealed: bool
) -> dict[Path, PrunePlan]:
    """What would go of each store. Raises :class:`UsageError` where nothing says what, or not of which store."""
    from kitecli.catalogue import trading_today
    from kitecli.store.pruning import Retention, plan_pruning

    if older_than is None and keep_gb is None:
        raise UsageError("Nothing says what may go", hint="give --older-than DAYS, --keep-gb GB or both")
    if keep_gb is not None and len(stores) > 1:
        raise UsageError(
            "--keep-gb is for one store, and there are several",
            why=", ".join(map(str, stores)),
            hint="name one with --store",
        )
    if keep_gb is not None and not isfinite(keep_gb):
        raise UsageError(f"--keep-gb {keep_gb} is no size", hint="give a number of GB, as 200")
    limit = None if keep_gb is None else round(keep_gb * GB)
    return {store: plan_pruning(store, Retention(older_than, limit, unsealed), trading_today()) for store in stores}


def carry_out(store: Path, plan: PrunePlan, *, yes: bool) -> str:
    """Do it, if told to; returns what to say of it."""
    from kitecli.store.pruning import prune as remove

    count = f"{len(plan.going)} day{'' if len(plan.going) == 1 else 's'}"
    kept = len(plan.days) - len(plan.going)
    rest = f"; {kept} more stay though they are beyond it" if kept else ""
    if not yes:
        return f"{count} would go and give back {plan.freed / GB:,.2f} GB: --yes does it{rest}"
    return f"{count} removed, {remove(store, plan.days) / GB:,.2f} GB given back{rest}"
