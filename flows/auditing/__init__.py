"""Flow `audit`, which compares a mirror with the source, and the result."""
