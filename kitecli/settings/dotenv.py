r"""A ``.env`` in the current folder: an alternative to the vault, in the open. Only the secrets of it are read.

A line is ``KITE_API_KEY=value``, perhaps with ``export`` before it. The value is one of::

    abc#def          up to white space, after which only a comment may come; no quotes in it
    'a b"c'          anything between the two
    "a b\"c"         anything between the two; a backslash takes its meaning from one of " \ $ `

Nothing is put in for a ``$``. A line that names a secret of ours and is none of these is refused: half a password, or
none, would look like a wrong one. Comments and whatever else stands there are somebody else's.
"""

from __future__ import annotations

import re
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from kitecli.errors import ConfigError
from kitecli.secret import VARIABLES_OF_SECRETS, Secret, cleaned

DOTENV: Final = Path(".env")
# Patterns as text: where there is no .env, which is mostly, none is compiled.
_NAMES: Final = "|".join(VARIABLES_OF_SECRETS)
_NAMED: Final = rf"\b(?:{_NAMES})\b"
_ALONE: Final = rf"\s*(?:export\s+)?(?:{_NAMES})\s*"
_NOT_OURS: Final = rf"(?s)\s*(?:#|(?:export\s+)?(?!(?:{_NAMES})\b)\w+\s*=).*"
_OURS: Final = rf"""(?sx)\s*(?:export\s+)?(?P<name>{_NAMES})\s*=\s*
    (?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"']*))\s*(?:(?<=\s)\#.*)?"""
_ESCAPED: Final = r"\\([\"\\$`])"


def read_dotenv(path: Path = DOTENV) -> dict[str, str]:
    """The secrets it sets to something. Raises :class:`ConfigError` for a line that can't be read, and where others can
    read them.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}
    except OSError as error:
        hint = f"chmod 600 {path} as its owner, or move it away"
        raise ConfigError(f"{path} can't be read", why=error.strerror or str(error), hint=hint) from error
    found = secrets_in(content, str(path))
    if found and sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigError(
            f"{path} holds secrets and others can read it",
            why=f"it sets {', '.join(found)}",
            hint=f"chmod 600 {path}, then kite creds import-env; change the secrets if others saw them",
        )
    return found


def secrets_in(content: bytes, where: str) -> dict[str, str]:
    """The secrets that lines of UTF-8 set, by variable; the last of two counts.

    Raises :class:`ConfigError`, which names the line as ``where:3`` and quotes nothing.
    """
    if b"\0" in content:  # UTF-16, as some editors call Unicode
        raise ConfigError(f"{where} can't be read", why="it isn't UTF-8", hint="save it as UTF-8")
    return {name: value for name, value in _pairs(content.decode("utf-8-sig", "surrogateescape"), where) if value}


def _pairs(text: str, where: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not re.search(_NAMED, line) or re.fullmatch(_NOT_OURS, line) or re.fullmatch(_ALONE, line):
            continue
        place, ours = f"{where}:{number}", re.fullmatch(_OURS, line)
        if ours is None:
            raise ConfigError(
                f"{place} names a secret and can't be read",
                why="it isn't NAME=VALUE with one value",
                hint="put the value into single quotes, as 'a b'; one that has some, into double ones",
            )
        yield ours["name"], _value(ours, place)


def _value(ours: re.Match[str], place: str) -> str:
    value = re.sub(_ESCAPED, r"\1", ours["double"] or "") or ours["single"] or ours["bare"] or ""
    try:
        return cleaned(Secret(value)).reveal()
    except ValueError as error:
        raise ConfigError(f"{place}: {ours['name']} can't be used", why=str(error), hint="correct the line") from None


def with_dotenv(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with what ``.env`` adds to it; the environment wins."""
    return {**read_dotenv(), **environ}
