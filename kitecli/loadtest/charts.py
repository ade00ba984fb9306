"""Charts as SVG text that takes its colours from the page around it: lines over time, and a histogram of latencies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 240
LEFT, RIGHT, TOP, BOTTOM = 76, 12, 28, 34
MARKS: Final = 4

Text = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Line:
    """``points``: (x, y), by x."""

    name: str
    points: Sequence[tuple[float, float]]


def line_chart(title: str, lines: Sequence[Line], y_text: Text) -> str:
    """Seconds to the right; upwards from zero."""
    drawn = [line for line in lines if line.points]
    if not drawn:
        return ""
    right = max(x for line in drawn for x, _ in line.points) or 1.0
    top = max(y for line in drawn for _, y in line.points) or 1.0
    parts = [_marks(top, y_text), _seconds(right)]
    for number, line in enumerate(drawn):
        at = " ".join(f"{_x(x / right):.1f},{_y(y / top):.1f}" for x, y in line.points)
        parts.append(f'<polyline class="line c{number}" points="{at}"/>')
        highest = y_text(max(y for _, y in line.points))
        parts.append(_legend(number, f"{line.name}, at most {highest}"))
    return _chart(title, parts, len(drawn))


def histogram(title: str, groups: Sequence[tuple[str, Sequence[tuple[float, int]]]], x_text: Text) -> str:
    """``groups``: a name and (upper edge above 0, count) each; the axis is logarithmic, counts are shares."""
    drawn = [(name, bars) for name, bars in groups if bars]
    if not drawn:
        return ""
    edges = [math.log10(edge) for _, bars in drawn for edge, _ in bars]
    low, high = math.floor(min(edges)), math.ceil(max(edges) + 1e-9)
    shares = {name: _binned(bars, low, high) for name, bars in drawn}
    top = max(share for found in shares.values() for share in found)
    parts = [_marks(top, lambda value: f"{value:.0%}" if top >= 0.1 else f"{value:.1%}")]
    parts += [_under(_x((at - low) / (high - low)), x_text(10.0**at)) for at in range(low, high + 1)]
    for number, (name, found) in enumerate(shares.items()):
        parts += _bars(found, top, number, len(shares))
        parts.append(_legend(number, name))
    return _chart(title, parts, len(drawn))


_PER_DECADE: Final = 10


def _binned(bars: Sequence[tuple[float, int]], low: int, high: int) -> list[float]:
    """Shares of the whole in tenths of each decade."""
    found = [0.0] * ((high - low) * _PER_DECADE)
    total = sum(count for _, count in bars)
    for edge, count in bars:
        place = min(int((math.log10(edge) - low) * _PER_DECADE), len(found) - 1)
        found[place] += count / total
    return found


def _bars(shares: Sequence[float], top: float, number: int, groups: int) -> list[str]:
    step = (WIDTH - LEFT - RIGHT) / len(shares)
    wide = step * 0.9 / groups
    return [
        f'<rect class="bar c{number}" x="{LEFT + step * place + wide * number:.1f}" y="{_y(share / top):.1f}" '
        f'width="{wide:.1f}" height="{_y(0) - _y(share / top):.1f}"><title>{share:.2%}</title></rect>'
        for place, share in enumerate(shares)
        if share
    ]


def _chart(title: str, parts: Sequence[str], lines: int) -> str:
    high = HEIGHT + 18 * lines
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {high}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg></figure>'
    )


def _marks(top: float, text: Text) -> str:
    drawn = []
    for mark in range(MARKS + 1):
        y = _y(mark / MARKS)
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        said = escape(text(top * mark / MARKS))
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{said}</text>')
    return "".join(drawn)


def _seconds(right: float) -> str:
    return "".join(_under(_x(mark / MARKS), f"{right * mark / MARKS:.3g} s") for mark in range(MARKS + 1))


def _under(x: float, text: str) -> str:
    anchor = "end" if x > WIDTH - RIGHT - 20 else "middle"
    return f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="{anchor}">{escape(text)}</text>'


def _legend(number: int, text: str) -> str:
    y = HEIGHT + 4 + 18 * number
    return (
        f'<rect class="bar c{number}" x="{LEFT}" y="{y - 9}" width="10" height="10"/>'
        f'<text x="{LEFT + 16}" y="{y}">{escape(text)}</text>'
    )


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
