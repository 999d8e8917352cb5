"""Internal: search criteria of a mirror, time windows, and extents of items."""
