"""Masters to test with: rows of any shape, and a small market of known contracts."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from kitecli.market.instruments import Instrument

_letters = st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cs", "Cc"])
_names = st.text(_letters, max_size=12) | st.sampled_from(["INFOSYS", 'SAID "SO"', "A,B", "Straße", ""])
_symbols = st.text(st.sampled_from("ABab019 &-.:ß"), min_size=1, max_size=26).filter(str.strip)
_prices = st.floats(0, 1e9, allow_nan=False) | st.sampled_from([0.05, 25000.0, 1e-7, 123456789012345.6, float("inf")])
instruments = st.builds(
    Instrument,
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**24).map(str) | st.sampled_from(["007", "", "X1", "99999999999999999999"]),
    _symbols,
    _names,
    _prices,
    st.none() | st.dates(),
    _prices,
    _prices,
    st.integers(0, 10**17),
    st.sampled_from(["EQ", "FUT", "CE", "PE", ""]),
    st.sampled_from(["NSE", "NFO-OPT", "INDICES"]),
    st.sampled_from(["NSE", "nse", "BSE", "NFO", "NSEIX"]),
)


def share(key: str, token: int, name: str = "", segment: str = "") -> Instrument:
    """A row that isn't a contract."""
    exchange, symbol = key.split(":")
    kept = (name or symbol, 0.0, None, 0.0, 0.05, 1, "EQ", segment or exchange, exchange)
    return Instrument(token, str(token >> 8), symbol, *kept)


def contract(key: str, token: int, name: str, expiry: str, kind: str, strike: float = 0.0, lot: int = 65) -> Instrument:
    """A future or an option."""
    exchange, symbol = key.split(":")
    segment = f"{exchange}-{'FUT' if kind == 'FUT' else 'OPT'}"
    kept = (name, 0.0, date.fromisoformat(expiry), strike, 0.05, lot, kind, segment, exchange)
    return Instrument(token, str(token >> 8), symbol, *kept)
