"""Every module has its test file at the same place: kitecli/a/b.py is tested by tests/a/test_b.py."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE = CHECKOUT / "kitecli"
MODULES = sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyx")])


def _says_something(module: Path) -> bool:
    """A package's ``__init__`` of nothing but a docstring has no behaviour to test."""
    if module.name != "__init__.py":
        return True
    passed_on = (ast.Expr, ast.ImportFrom)
    statements = [node for node in ast.parse(module.read_text()).body if not isinstance(node, passed_on)]
    return any("__all__" not in ast.unparse(node) for node in statements)


def mirror_of(module: Path) -> Path:
    return Path("tests") / module.relative_to(PACKAGE).parent / f"test_{module.stem.strip('_')}.py"


@pytest.mark.parametrize(
    "module", [m for m in MODULES if _says_something(m)], ids=lambda m: str(m.relative_to(CHECKOUT))
)
def test_every_module_has_its_test_file(module: Path):
    wanted = mirror_of(module)
    assert (CHECKOUT / wanted).is_file(), f"{module.relative_to(CHECKOUT)} needs {wanted}"


def test_every_package_is_in_the_wheel():
    import tomllib

    listed = set(tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {".".join(init.parent.relative_to(CHECKOUT).parts) for init in PACKAGE.rglob("__init__.py")} | {
        "kitecli.defaults"
    }
    assert listed == found
