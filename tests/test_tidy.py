"""The limits that keep the code readable. A limit is a ratchet: lower it when you can, argue before raising it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.every_verb import every_verb

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE = CHECKOUT / "kitecli"
SOURCES = sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyx")])
MODULE_LINES = 500
FUNCTION_LINES = 50
COMMAND_LINES = 20
# Words that say nothing about what is in the file.
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}

name_of = {path: str(path.relative_to(CHECKOUT)) for path in SOURCES}


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def functions(source: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", SOURCES, ids=name_of.get)
def test_modules_are_short(path: Path):
    assert len(path.read_text().splitlines()) <= MODULE_LINES


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".py"], ids=name_of.get)
def test_functions_are_short(path: Path):
    long = {f.name: body_lines(f) for f in functions(path.read_text()) if body_lines(f) > FUNCTION_LINES}
    assert not long


def test_command_bodies_parse_call_and_render():
    callbacks = [inspect.unwrap(callback) for callback in every_verb().values()]
    long = {
        function.name: body_lines(function)
        for callback in callbacks
        for function in [next(functions(textwrap.dedent(inspect.getsource(callback))))]
        if body_lines(function) > COMMAND_LINES
    }
    assert callbacks
    assert not long


@pytest.mark.parametrize("path", SOURCES, ids=name_of.get)
def test_names_say_what_is_inside(path: Path):
    assert not EMPTY_NAMES & set(path.stem.strip("_").split("_"))


@pytest.mark.parametrize("path", SOURCES, ids=name_of.get)
def test_nothing_is_left_for_later(path: Path):
    assert not re.findall(r"\b(?:TODO|FIXME|XXX|HACK)\b", path.read_text())
