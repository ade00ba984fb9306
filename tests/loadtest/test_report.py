"""The report: one page that needs no other, with every figure of the table and a chart of each kind."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from kitecli.loadtest.judge import judge
from kitecli.loadtest.report import html_of
from kitecli.loadtest.slo import parse
from tests.loadtest.samples import a_run
from tests.loadtest.test_outcome import LIMIT, OUTCOME

VOID = {"meta", "br"}


class Balance(HTMLParser):
    """Fails on a tag that isn't closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(outcome=OUTCOME) -> str:
    text = html_of(outcome)
    balance = Balance()
    balance.feed(text)
    assert balance.open == []
    return text


def test_it_fetches_nothing_and_runs_nothing():
    text = page()
    assert not re.search(r"https?://|src=|@import|url\(|<script|<link", text)
    assert "prefers-color-scheme: dark" in text


def test_it_shows_the_verdict_the_table_and_the_charts():
    text = page()
    assert ">passed</span>" in text
    for figure in ("45.0 MB", "800 us", "22 Nov 2026 10:00:00 IST", "1,000 instruments × 2/s"):
        assert figure in text
    assert text.count("<svg") == 4  # histogram; latency, CPU and memory over time
    assert text.count("<polyline") == 2 + 2 + 2


def test_a_failure_says_what_gave_way_and_a_limit_where():
    text = page(replace(OUTCOME, judgement=judge(a_run(), parse("cpu=1%")), limit=None))
    assert ">failed: cpu</span>" in text
    assert '<td class="fail">FAIL</td>' in text
    assert "feed gave way first" in page(replace(OUTCOME, limit=LIMIT))


def test_names_are_text_and_no_markup():
    assert "<b>" not in page(replace(OUTCOME, machine={"<b>": "&"}, profile="<b>"))
