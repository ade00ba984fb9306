"""What ticks look like to people and to other programs: the live table, NDJSON and CSV."""
