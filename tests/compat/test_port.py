"""What a ticker needs of a feed: the gateway's side and the tests' side both offer it, word for word."""

import inspect

import pytest

from kitecli.compat.attached import Attached, open_attached
from kitecli.compat.port import OpenSource, Source
from tests.compat.sources import Fed

METHODS = [name for name in vars(Source) if not name.startswith("_")]


def parameters(function) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


@pytest.mark.parametrize("kind", [Attached, Fed])
@pytest.mark.parametrize("name", METHODS)
def test_sources_take_what_the_port_says(kind: type, name: str):
    assert parameters(getattr(kind, name)) == parameters(getattr(Source, name))


def test_a_source_is_opened_as_the_port_says():
    assert parameters(open_attached) == parameters(OpenSource.__call__)
