"""Charts are well-formed SVG that shows every point, and nothing where there is nothing to show."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from kitecli.loadtest.charts import HEIGHT, WIDTH, Line, histogram, line_chart


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def number(value: float) -> str:
    return f"{value:g}"


def test_lines_lie_within_the_chart_and_the_highest_point_is_on_top():
    chart = parsed(line_chart("CPU <of> one", [Line("feed", [(1, 2.0), (2, 4.0)]), Line("exchange", [(1, 1)])], number))
    lines = chart.findall(".//polyline")
    places = [tuple(map(float, at.split(","))) for at in lines[0].get("points").split()]
    assert [len(line.get("points").split()) for line in lines] == [2, 1]
    assert places[0][1] > places[1][1]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    assert chart.find("figcaption").text == "CPU <of> one"
    texts = [text.text for text in chart.iter("text")]
    assert "feed, at most 4" in texts
    assert "2 s" in texts


def test_a_histogram_has_a_bar_where_there_are_counts():
    chart = parsed(histogram("latency", [("a", [(1_000, 3), (100_000, 1)]), ("b", [(10_000, 5)])], number))
    bars = [bar for bar in chart.iter("rect") if bar.find("title") is not None]
    assert [bar.find("title").text for bar in bars] == ["75.00%", "25.00%", "100.00%"]
    heights = [float(bar.get("height")) for bar in bars]
    assert heights[0] == pytest.approx(3 * heights[1], rel=0.01)
    feet = {round(float(bar.get("y")) + float(bar.get("height"))) for bar in bars}
    assert len(feet) == 1


def test_without_points_there_is_no_chart():
    assert line_chart("nothing", [Line("a", [])], number) == ""
    assert histogram("nothing", [("a", [])], number) == ""


def test_points_at_nought_are_drawn():
    assert parsed(line_chart("idle", [Line("a", [(0, 0), (1, 0)])], number)).find(".//polyline") is not None
