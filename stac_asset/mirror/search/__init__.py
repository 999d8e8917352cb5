"""Internal: search criteria of a mirror, and time windows."""
