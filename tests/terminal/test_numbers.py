"""Figures as Indian traders read them."""

import pytest

from kitecli.terminal.numbers import age, compact, duration, grouped, price_decimals, size, span


@pytest.mark.parametrize(
    ("value", "decimals", "shown"),
    [
        (0, 2, "0.00"),
        (999.5, 2, "999.50"),
        (1000, 0, "1,000"),
        (123456.789, 2, "1,23,456.79"),
        (1234567890, 0, "1,23,45,67,890"),
        (-37.63, 2, "-37.63"),
        (-100000, 0, "-1,00,000"),
        (83.1275, 4, "83.1275"),
    ],
)
def test_indian_grouping(value, decimals, shown):
    assert grouped(value, decimals) == shown


@pytest.mark.parametrize(
    ("quantity", "shown"), [(12_345, "12,345"), (456_000, "4.56 L"), (12_300_000, "1.23 Cr"), (99_999, "99,999")]
)
def test_quantities_in_lakh_and_crore(quantity, shown):
    assert compact(quantity) == shown


@pytest.mark.parametrize(
    ("latency_ns", "shown"),
    [(None, "–"), (850, "850 ns"), (42_300, "42 us"), (3_140_000, "3.1 ms"), (2_500_000_000, "2.5 s")],
)
def test_latencies_have_the_unit_that_keeps_them_short(latency_ns, shown):
    assert duration(latency_ns) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(-1, "0.0s"), (0.34, "0.3s"), (12, "12s"), (240, "4m"), (9000, "2h")])
def test_ages(seconds, shown):
    assert age(seconds) == shown


def test_currencies_have_four_decimals():
    assert (price_decimals(100), price_decimals(10_000_000)) == (2, 4)


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (812, "812 B"), (3_400, "3.4 kB"), (250_000, "250 kB"), (2.5e12, "2.5 TB")]
)
def test_sizes(count, said):
    assert size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.26, "0.3 s"), (42, "42 s"), (720, "12 min"), (22_500, "6 h 15 min"), (8e5, "9 days")]
)
def test_spans(seconds, said):
    assert span(seconds) == said
