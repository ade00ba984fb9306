"""The files ``kite init`` writes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from kitecli.errors import EnvironmentProblem, UsageError
from kitecli.settings import load
from kitecli.settings.schema import SECRET_VARIABLES
from kitecli.settings.starter import write_starter


def test_it_writes_both_and_the_configuration_changes_nothing(tmp_path: Path):
    config, example = write_starter(tmp_path)
    assert (config, example) == (tmp_path / "config" / "config.yaml", tmp_path / ".env.example")
    settings = load(path=config, environ={})
    assert settings.given == load(environ={}).given
    assert settings.warnings == ()


def test_uncommented_it_is_the_defaults(tmp_path: Path):
    config, _ = write_starter(tmp_path)
    config.write_text(re.sub(r"^  # (\w+: )", r"  \1", config.read_text(), flags=re.MULTILINE))
    settings = load(path=config, environ={})
    assert all(str(given.origin).startswith("file") for key, given in settings.given.items() if given.value is not None)
    defaults = load(environ={})
    assert {key: given.value for key, given in settings.given.items()} == {
        key: given.value for key, given in defaults.given.items()
    }


def test_the_example_names_every_secret_and_holds_none(tmp_path: Path):
    _, example = write_starter(tmp_path)
    variables = dict(line.split("=") for line in example.read_text().splitlines() if line and line[0] != "#")
    assert variables == dict.fromkeys(SECRET_VARIABLES, "")


def test_it_never_overwrites_unless_told_to(tmp_path: Path):
    config, _ = write_starter(tmp_path)
    config.write_text("trading: {default_quantity: 7}\n")
    with pytest.raises(UsageError, match="--force"):
        write_starter(tmp_path)
    assert "default_quantity: 7" in config.read_text()
    write_starter(tmp_path, replace=True)
    assert "default_quantity: 7" not in config.read_text()


def test_an_example_that_is_there_is_kept(tmp_path: Path):
    (tmp_path / ".env.example").write_text("mine")
    assert write_starter(tmp_path) == [tmp_path / "config" / "config.yaml"]
    assert (tmp_path / ".env.example").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cant_be_written(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(EnvironmentProblem, match="--path"):
        write_starter(tmp_path / "below")


def test_a_file_where_a_folder_should_be(tmp_path: Path):
    (tmp_path / "config").write_text("")
    with pytest.raises(EnvironmentProblem, match="--path"):
        write_starter(tmp_path)
