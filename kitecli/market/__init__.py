"""The market's vocabulary: segments, ticks and instruments. Knows no socket and no wall clock."""
