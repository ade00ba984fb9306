"""Historical candles: what is missing is downloaded in pieces, kept, put together, checked and written to files."""
