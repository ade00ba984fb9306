"""docs/troubleshooting.md: its commands do what it says they do, its links lead somewhere.

Blocks of ``sh`` are run beside a feed from the simulated exchange; ``sh help`` (they don't end by themselves, or need
data) and ``sh broker`` (they need an account) must at least be what kite's own help has.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kitecli.cli import app
from kitecli.hot import COMPILED
from tests.commands.every_verb import every_verb

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "troubleshooting.md").read_text()
BLOCKS = re.findall(r"^```sh ?(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
GROUPS = {verb.split()[0] for verb in every_verb() if " " in verb}
# A machine of tests may lack memory or a time service; it is asked, and that is all.
MAY_END_WITH = {"kite doctor": {0, 8}, "kite creds status": {0, 4}}


def commands(*kinds: str) -> list[str]:
    found = [line for kind, block in BLOCKS if kind in kinds for line in block.strip().splitlines()]
    return list(dict.fromkeys(found))


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A feed in the background, with a runtime and a data folder of this page's own."""
    folder = tmp_path_factory.mktemp("troubles")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITE_DATA_DIR", str(folder / "data"))
        patch.setenv("KITE_RUNTIME_DIR", str(folder / "run"))
        patch.chdir(folder)
        started = CliRunner().invoke(app, ["feed", "--sim", "--daemon"])
        assert started.exit_code == 0, started.output
        yield
        CliRunner().invoke(app, ["stop", "--all"])


@pytest.mark.skipif(not COMPILED, reason="a feed in the background needs the compiled pass")
def test_its_commands_run(feed: None):
    """One after the other, as they stand: the page stops the feed near its end."""
    ends = {}
    for line in commands(""):
        arguments = shlex.split(line)[1:]
        result = CliRunner().invoke(app, arguments)
        if result.exit_code not in MAY_END_WITH.get(line, {0}):
            ends[line] = (result.exit_code, result.output)
    assert len(commands("")) > 10
    assert ends == {}


@pytest.mark.parametrize("line", commands("help", "broker"))
def test_what_needs_more_is_what_the_help_has(line: str):
    words = shlex.split(line)[1:]
    top = CliRunner().invoke(app, ["--help"]).stdout
    words = words[2:] if words[0] in ("--profile", "--set") and words[0] in top else words
    verb = words[: 2 if words[0] in GROUPS else 1]
    helped = CliRunner().invoke(app, [*verb, "--help"])
    assert helped.exit_code == 0
    assert [word for word in words if word.startswith("--") and word not in helped.stdout] == []


def test_its_links_lead_somewhere():
    for target, anchor in re.findall(r"\]\(([\w/.-]*)#?([\w-]*)\)", PAGE):
        text = (DOCS / target).read_text() if target else PAGE
        heads = {
            re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")
            for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        }
        assert not anchor or anchor in heads, f"{target}#{anchor}"
