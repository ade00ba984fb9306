"""Tables of ticks as people have them: CSV and Parquet files into columns, columns into records."""
