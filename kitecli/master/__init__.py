"""Masters on disk: a folder for each source of instruments, a file for each day, one download for all processes."""
