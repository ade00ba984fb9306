"""A ``.env`` in the current folder: an alternative to the vault, in the open. Only the secrets of it are read.

Lines as ``KITE_API_KEY=value``, with ``export`` before or quotes around, as a shell would take them; ``#`` begins a
comment. Whatever else stands there is somebody else's.
"""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kitecli.errors import ConfigError
from kitecli.secret import VARIABLES_OF_SECRETS

DOTENV: Final = Path(".env")
_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^#\s]*))\s*(?:#.*)?")


def read_dotenv(path: Path = DOTENV) -> dict[str, str]:
    """The secrets it sets to something. Raises :class:`ConfigError` where others can read them."""
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"{path} can't be read", why=error.strerror or str(error)) from error
    found = secrets_in(text)
    if found and sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(
            f"{path} holds secrets and others can read it",
            why=f"it sets {', '.join(found)}",
            hint=f"chmod 600 {path}, then kite creds import-env; change the secrets if others saw them",
        )
    return found


def secrets_in(text: str) -> dict[str, str]:
    """The secrets that lines of text set, by variable."""
    lines = [match for line in text.splitlines() if (match := _LINE.fullmatch(line))]
    values = {match[1]: next((part for part in match.groups()[1:] if part), "") for match in lines}
    return {name: value for name, value in values.items() if name in VARIABLES_OF_SECRETS and value}


def with_dotenv(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with what ``.env`` adds to it; the environment wins."""
    return {**read_dotenv(), **environ}
