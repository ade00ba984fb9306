"""What ``kite init`` writes: a configuration file to edit and an example of the secrets' environment."""

from __future__ import annotations

from pathlib import Path

from kitecli.errors import EnvironmentProblem, UsageError
from kitecli.settings.layers import defaults_dir


def write_starter(folder: Path, *, replace: bool = False) -> list[Path]:
    """Write ``config/config.yaml`` and ``.env.example`` below ``folder``; returns what was written.

    Raises :class:`UsageError` before writing anything when the configuration exists, unless ``replace``.
    """
    config, example = folder / "config" / "config.yaml", folder / ".env.example"
    if config.exists() and not replace:
        raise UsageError(
            f"{config} exists", why="it may hold your changes", hint="keep it, or replace it with kite init --force"
        )
    wanted = [config] if example.exists() and not replace else [config, example]
    try:
        for target, source in ((config, "config.yaml.example"), (example, "env.example")):
            if target in wanted:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((defaults_dir() / source).read_bytes())
    except OSError as error:
        raise EnvironmentProblem(
            f"can't write below {folder}", why=error.strerror or str(error), hint="choose another folder with --path"
        ) from error
    return wanted
