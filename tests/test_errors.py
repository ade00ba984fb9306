"""The error tree: exit codes, references and texts."""

from __future__ import annotations

from collections.abc import Iterator

from kitecli import errors
from kitecli.errors import ConfigError, HandshakeForbidden, KiteError


def family(cls: type[KiteError]) -> Iterator[type[KiteError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from family(child)


OURS = [cls for cls in family(KiteError) if cls.__module__ == errors.__name__]


def test_references_are_unique_and_kebab_case():
    references = [cls.reference for cls in OURS]
    assert len(set(references)) == len(references)
    assert all(reference == reference.lower() and " " not in reference for reference in references)


def test_exit_codes_tell_the_families_apart():
    codes = {cls.__name__: cls.exit_code for cls in OURS if cls.__base__ is KiteError}
    assert sorted(codes.values()) == [2, 3, 4, 5, 6, 7, 8]
    assert HandshakeForbidden.exit_code == errors.AuthError.exit_code


def test_the_tree_in_the_docstring_is_the_tree():
    assert all(cls.__name__ in (errors.__doc__ or "") for cls in OURS)


def test_text_joins_what_why_and_next():
    error = ConfigError("no file.", why="deleted", hint="write one")
    assert str(error) == "no file. deleted. write one"
    assert str(KiteError("alone")) == "alone"


def test_as_dict_is_what_json_prints():
    assert ConfigError("w", why="y", hint="h").as_dict() == {
        "error": "config",
        "what": "w",
        "why": "y",
        "hint": "h",
        "exit_code": 3,
    }
