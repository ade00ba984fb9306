"""Which verbs keep a log."""

from __future__ import annotations

from kitecli.commands._log import LASTING
from tests.commands.every_verb import every_verb


def test_lasting_verbs_are_verbs():
    assert set(every_verb()) >= LASTING
