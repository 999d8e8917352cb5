"""Internal: the stored state of a mirror, and the versions of items."""
