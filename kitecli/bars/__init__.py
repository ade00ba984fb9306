"""Bars: open, high, low, close and volume of an instrument, by time, ticks or volume. docs/bars.md says what counts."""
