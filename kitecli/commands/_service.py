"""The unit by which systemd runs ``kite record`` for a user, from boot to boot."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import typer

from kitecli.commands._shared import print_json, say
from kitecli.errors import EnvironmentProblem
from kitecli.files import unwritable, write_whole

NAME: Final = "kite-record.service"
_OWN_OPTIONS: Final = ("--install-service", "--print", "--json")
_ENVIRONMENT_FILE: Final = "%h/.config/kite/record.env"
_UNIT: Final = """\
[Unit]
Description=Market data recorded by kite
After=network-online.target
StartLimitIntervalSec=0

[Service]
# KITE_API_KEY=… and KITE_ACCESS_TOKEN_FILE=… go into this file, which nobody else may read (chmod 600).
EnvironmentFile=-{environment}
ExecStart={command}
WorkingDirectory={folder}
KillSignal=SIGINT
KillMode=mixed
TimeoutStopSec=60
Restart=always
RestartSec=10

[Install]
WantedBy=default.target
"""


def install(*, print_only: bool, as_json: bool) -> None:
    """Write the unit that runs this very command line without the options about the service; or print it."""
    unit = unit_of(sys.executable, sys.argv[1:])
    if print_only:
        typer.echo(unit, nl=False)
        return
    path = write_unit(unit)
    if as_json:
        print_json({"unit": str(path)})
    for line in next_steps(path):
        say(line)


def unit_of(python: str, arguments: list[str]) -> str:
    """The unit's text. systemd reads % and $ as its own, and a word with blanks in quotes."""
    words = [python, "-m", "kitecli", *(word for word in arguments if word not in _OWN_OPTIONS)]
    command = " ".join(map(_quoted, words))
    return _UNIT.format(environment=_ENVIRONMENT_FILE, command=command, folder=str(Path.cwd()).replace("%", "%%"))


def write_unit(unit: str) -> Path:
    """Write it to the user's units; returns where. Raises :class:`EnvironmentProblem`."""
    if sys.platform != "linux":
        raise EnvironmentProblem(
            "There is no systemd on this system",
            why=f"it is {sys.platform}",
            hint="--print shows the unit; have launchd or the task scheduler run its ExecStart",
        )
    path = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user" / NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, unit.encode())
    except OSError as error:
        raise unwritable(path, error) from error
    return path


def next_steps(path: Path) -> list[str]:
    return [
        f"Wrote {path}. It runs what you have just written, from now on.",
        "1. Put KITE_API_KEY and KITE_ACCESS_TOKEN_FILE into ~/.config/kite/record.env, and chmod 600 it.",
        f"2. systemctl --user daemon-reload && systemctl --user enable --now {NAME}",
        "3. loginctl enable-linger, so that it runs while nobody is logged in.",
        f"Then: kite status, and journalctl --user -u {NAME} -f. Each morning's token goes into its file; no restart.",
    ]


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$").replace('"', '\\"')
    return f'"{escaped}"' if not escaped or set(escaped) & set(" \t'*;") or escaped != word else escaped
