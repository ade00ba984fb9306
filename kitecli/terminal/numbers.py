"""Figures as Indian traders read them."""

from __future__ import annotations

from typing import Final

_LAKH: Final = 100_000
_CRORE: Final = 10_000_000


def grouped(value: float, decimals: int = 2) -> str:
    """Indian grouping: 12,34,567.89."""
    sign = "-" if value < 0 else ""
    whole, _, fraction = f"{abs(value):.{decimals}f}".partition(".")
    head, tail = whole[:-3], whole[-3:]
    groups = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return sign + ",".join([*groups, tail]) + (f".{fraction}" if fraction else "")


def counted(value: float) -> str:
    """A whole number in Indian grouping: 12,34,567."""
    return grouped(value, decimals=0)


def compact(quantity: int) -> str:
    """A quantity in lakh and crore: 1.23 Cr, 4.56 L, 12,345."""
    if quantity >= _CRORE:
        return f"{quantity / _CRORE:.2f} Cr"
    if quantity >= _LAKH:
        return f"{quantity / _LAKH:.2f} L"
    return counted(quantity)


def price_decimals(divisor: int) -> int:
    """Decimals a price is shown with: two, and four for currencies."""
    return 2 if divisor == 100 else 4


def duration(latency_ns: int | None) -> str:
    """A latency with the unit that keeps it short: 850 ns, 42 us, 3.1 ms."""
    if latency_ns is None:
        return "–"
    if latency_ns < 1_000:
        return f"{latency_ns} ns"
    if latency_ns < 1_000_000:
        return f"{latency_ns / 1e3:.0f} us"
    if latency_ns < 1_000_000_000:
        return f"{latency_ns / 1e6:.1f} ms"
    return f"{latency_ns / 1e9:.1f} s"


def age(seconds: float) -> str:
    """How long ago: 0.3s, 12s, 4m, 2h."""
    if seconds < 10:
        return f"{max(0.0, seconds):.1f}s"
    if seconds < 100:
        return f"{seconds:.0f}s"
    return f"{seconds / 60:.0f}m" if seconds < 6000 else f"{seconds / 3600:.0f}h"


def size(count: float | None) -> str:
    """Bytes as people say them: 812 B, 3.4 MB, 1.2 GB."""
    left = float(count or 0)
    for unit in ("B", "kB", "MB", "GB"):
        if left < 1000:
            return f"{left:.0f} {unit}" if unit == "B" or left >= 100 else f"{left:.1f} {unit}"
        left /= 1000
    return f"{left:,.1f} TB"


def span(seconds: float) -> str:
    """A length of time: 0.3 s, 42 s, 12 min, 6 h 15 min, 9 days."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest} min" if hours < 72 else f"{hours / 24:.0f} days"
