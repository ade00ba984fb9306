"""A YAML file as text with line numbers, so that an error can name the line to correct."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kitecli.errors import ConfigError

if TYPE_CHECKING:
    import yaml


@dataclass(frozen=True, slots=True)
class Entry:
    """``section`` and ``name`` of a key, its value's text and where it stands."""

    section: str
    name: str
    text: str
    place: str


def read_document(path: Path, pairs: Container[str] = ()) -> Iterator[Entry]:
    """The entries of a file of sections, in order. Raises :class:`ConfigError`, which quotes no value.

    A section or a file without entries is fine: the example has every key commented out. ``pairs``: the keys, as
    ``section.name``, whose value may be names with words.
    """
    for section, body, _ in _pairs(_root(path), path, "the file"):
        for name, value, line in _pairs(body, path, section):
            key = f"{section}.{name}"
            text = _paired(value, path, key) if key in pairs else _text(value, path, key)
            yield Entry(section, name, text, f"{path}:{line}")


def _root(path: Path) -> yaml.Node | None:
    import yaml

    try:
        with path.open("rb") as file:
            return yaml.compose(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise ConfigError(f"can't read {path}", why=error.strerror or str(error), hint="correct the path") from error
    except yaml.YAMLError as error:
        # Its own text quotes the line, and somebody may have put a password there.
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(
            f"{where} is not YAML", why=str(getattr(error, "problem", "") or type(error).__name__), hint="correct it"
        ) from None


def _pairs(node: yaml.Node | None, path: Path, what: str) -> Iterator[tuple[str, yaml.Node, int]]:
    import yaml

    if node is None or (isinstance(node, yaml.ScalarNode) and node.value in {"", "null", "~"}):
        return
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(
            f"{path}:{node.start_mark.line + 1}: {what} must hold keys with values",
            hint="write 'key: value' lines; kite init writes an example",
        )
    seen: set[str] = set()
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            raise ConfigError(
                f"{path}:{line}: {name} is given twice in {what}", hint="keep one of the two lines and delete the other"
            )
        seen.add(name)
        yield name, value, line


def _text(node: yaml.Node, path: Path, key: str) -> str:
    import yaml

    return _listed(node, path, key) if isinstance(node, yaml.SequenceNode) else _scalar(node, path, key)


def _paired(node: yaml.Node, path: Path, key: str) -> str:
    return ", ".join(f"{name}: {_scalar(value, path, key)}" for name, value, _ in _pairs(node, path, key))


def _scalar(node: yaml.Node, path: Path, key: str) -> str:
    import yaml

    if not isinstance(node, yaml.ScalarNode):
        raise ConfigError(
            f"{path}:{node.start_mark.line + 1}: {key} must be one value or a list of some, not a section",
            hint=f"write {key.partition('.')[2]}: VALUE",
        )
    return str(node.value)


def _listed(node: yaml.SequenceNode, path: Path, key: str) -> str:
    """A list as text: what may be one says so itself."""
    return f"[{', '.join(_scalar(item, path, key) for item in node.value)}]"
