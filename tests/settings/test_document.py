"""YAML with line numbers, and errors that quote nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from kitecli.errors import ConfigError
from kitecli.settings.document import Entry, read_document


def entries(tmp_path: Path, text: str) -> list[Entry]:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return list(read_document(path))


def test_an_entry_has_its_text_and_its_line(tmp_path: Path):
    text = "# a comment\nperformance:\n\n  buffer_size: 0x10  # hex\ntrading:\n  market_end: 15:30:00\n"
    assert entries(tmp_path, text) == [
        Entry("performance", "buffer_size", "0x10", f"{tmp_path}/c.yaml:4"),
        Entry("trading", "market_end", "15:30:00", f"{tmp_path}/c.yaml:6"),
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null", "performance:\n", "performance:\n  # a: 1\n"])
def test_a_file_or_section_of_nothing_is_fine(tmp_path: Path, text: str):
    assert entries(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- a\n- b\n", 1),
        ("just words\n", 1),
        ("performance: 5\n", 1),
        ("performance:\n  - buffer_size\n", 2),
        ("datafeed:\n  bars: [1m, [5m]]\n", 2),
        ("performance:\n  buffer_size:\n    deep: 1\n", 3),
        ("performance:\n  buffer_size: 1\n  buffer_size: 2\n", 3),
        ("performance: {}\ntrading: {}\nperformance: {}\n", 3),
        ("performance:\n  buffer_size: 'open\n", 3),
        ("performance:\n\tbuffer_size: 1\n", 2),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int):
    with pytest.raises(ConfigError, match=f"c.yaml:{line}"):
        entries(tmp_path, text)


def test_a_mistake_is_not_quoted(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        entries(tmp_path, "kite:\n  password: 'canary\n  api_key: canary\n")
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_cant_be_read(tmp_path: Path):
    with pytest.raises(ConfigError, match="can't read"):
        list(read_document(tmp_path))


def test_bytes_that_are_no_text(tmp_path: Path):
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00\x01\x9f")
    with pytest.raises(ConfigError):
        list(read_document(tmp_path / "c.yaml"))


def test_names_with_words_are_read_where_a_key_has_them(tmp_path: Path):
    path = tmp_path / "c.yaml"
    path.write_text("logging:\n  components: {feed: debug, sim: error}\n")
    [entry] = read_document(path, {"logging.components"})
    assert entry.text == "feed: debug, sim: error"
    with pytest.raises(ConfigError, match=r"c\.yaml:2"):
        list(read_document(path))
