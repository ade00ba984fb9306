"""What an audit of bars found, as rows for people and a document for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kitecli.bars.audit import PRICES, Audit, Difference
from kitecli.bars.intervals import Interval
from kitecli.market.segments import divisor_of
from kitecli.terminal.numbers import counted, grouped, price_decimals

HEADS: Final = ("instrument", "start, IST", "what", "ours", "theirs", "cause", "seen by")


@dataclass(frozen=True, slots=True)
class Audited:
    """One instrument's audit."""

    token: int
    label: str
    audit: Audit


def audit_rows(of: Audited) -> Iterator[tuple[str, ...]]:
    """A row of HEADS for each difference."""
    decimals = price_decimals(divisor_of(of.token))
    for one in of.audit.differences:
        digits = decimals if one.field in PRICES else 0
        values = (_value(value, digits) for value in (one.ours, one.theirs))
        yield of.label, f"{one.start:%d %b %H:%M}", one.field, *values, str(one.cause), one.why


def audit_line(of: Audited) -> str:
    """How it went, in a sentence."""
    found = of.audit
    if not found.pairs:
        return f"{of.label}: no closed bar to compare"
    bars = f"{of.label}: {counted(found.pairs)} {'bar' if found.pairs == 1 else 'bars'} compared"
    if found.equal == found.pairs:
        return f"{bars}, all equal"
    causes = ", ".join(f"{count} {cause}" for cause, count in tally(found).items())
    return f"{bars}, {counted(found.equal)} equal; differences: {causes}"


def audit_document(of: Audited, interval: Interval) -> dict[str, object]:
    """For JSON: times in ISO 8601 with +05:30."""
    return {
        "instrument": of.label,
        "instrument_token": of.token,
        "interval": str(interval),
        "compared": of.audit.pairs,
        "equal": of.audit.equal,
        "causes": tally(of.audit),
        "differences": [_document(one) for one in of.audit.differences],
    }


def tally(found: Audit) -> dict[str, int]:
    """Differences by cause, the most frequent first."""
    return dict(Counter(str(one.cause) for one in found.differences).most_common())


def _document(one: Difference) -> dict[str, object]:
    return {
        "start": one.start.isoformat(),
        "field": one.field,
        "ours": one.ours,
        "theirs": one.theirs,
        "cause": str(one.cause),
        "why": one.why,
    }


def _value(value: float | None, digits: int) -> str:
    return "–" if value is None else grouped(value, digits)
