"""A load test as one HTML file that needs nothing else: tables, charts as SVG, light or dark as the reader has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from kitecli.loadtest.charts import Line, histogram, line_chart
from kitecli.loadtest.figures import Run
from kitecli.loadtest.outcome import Outcome, limit_text
from kitecli.loadtest.table import heads, rows, share, size, verdict_rows
from kitecli.terminal.numbers import duration

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #667085; --line: #d5dae3; --paper: #fff; --good: #17803d;
  --bad: #b42318; --c0: #2563eb; --c1: #d97706; --c2: #16a34a; --c3: #9333ea; --c4: #dc2626; --c5: #0891b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #303848; --paper: #12161d;
  --good: #4ade80; --bad: #f87171; --c0: #60a5fa; --c1: #fbbf24; --c2: #4ade80; --c3: #c084fc; --c4: #f87171; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 56rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
td, th { border-bottom: 1px solid var(--line); padding: .25rem .8rem .25rem 0; text-align: right; }
td:first-child, th:first-child { text-align: left; }
figure { margin: 1.5rem 0; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--line); } .line { fill: none; stroke-width: 1.6; }
.pass { color: var(--good); } .fail { color: var(--bad); } .soft { color: var(--soft); }
""" + "".join(f".line.c{n} {{ stroke: var(--c{n}); }} .bar.c{n} {{ fill: var(--c{n}); }}\n" for n in range(6))


def html_of(outcome: Outcome) -> str:
    """The whole page."""
    judgement = outcome.judgement
    verdict = "passed" if outcome.passed else f"failed: {judgement.broke or 'no rate held'}"
    kind = "pass" if outcome.passed else "fail"
    parts = [
        f'<h1>kite loadtest: <span class="{kind}">{escape(verdict)}</span></h1>',
        f"<p>{escape(outcome.plan.text())}. Profile: {escape(outcome.profile)}. {escape(outcome.at)}</p>",
        f"<p>{escape(limit_text(outcome.plan, outcome.limit))}</p>" if outcome.limit else "",
        *(f"<p>{escape(note)}</p>" for note in outcome.notes),
        _table(("target", "found", ""), verdict_rows(judgement)),
        _table(heads(outcome.runs), rows(outcome.runs)),
        *_charts(outcome.runs),
        _table(("machine", ""), outcome.machine.items()),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>kite loadtest</title>'
        '<meta name="viewport" content="width=device-width"><style>'
        f"{STYLE}</style></head><body>\n{chr(10).join(filter(None, parts))}\n</body></html>\n"
    )


def _charts(runs: Sequence[Run]) -> Iterable[str]:
    yield histogram("Latency, the exchange's write to the handler", [_filled(run) for run in runs], _time)
    for run in runs:
        name = run.contender
        yield line_chart(f"{name}: latency over time", _latencies(run), _time)
        yield line_chart(f"{name}: CPU of one core over time", _series(run, "cpu"), share)
        yield line_chart(f"{name}: private memory over time", _series(run, "private_bytes"), size)


def _filled(run: Run) -> tuple[str, list[tuple[float, int]]]:
    return run.contender, [(max(edge, 1), count) for edge, count in run.latency.filled()]


def _latencies(run: Run) -> list[Line]:
    """Of the first client: p50 and p99 of each second."""
    points = run.clients[0].points
    return [Line(name, [(row[0], row[at]) for row in points]) for name, at in (("p50", 2), ("p99", 3))]


def _series(run: Run, field: str) -> list[Line]:
    names = [one.name for one in run.processes]
    series = [(sample.at_s, getattr(sample, field)) for sample in run.samples]
    return [Line(name, [(at_s, found[name]) for at_s, found in series if name in found]) for name in names]


def _table(head: Sequence[str], table: Iterable[Sequence[str]]) -> str:
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in table)
    return f"<table><tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>{body}</table>" if body else ""


def _cell(text: str) -> str:
    kind = {"pass": ' class="pass"', "FAIL": ' class="fail"'}.get(text, "")
    return f"<td{kind}>{escape(text)}</td>"


def _time(value: float) -> str:
    return duration(round(value))
