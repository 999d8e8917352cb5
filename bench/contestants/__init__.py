"""The programs to compare. Each does the same work in a separate process."""
