"""Flow `verify`, which verifies and repairs downloaded files, and the result."""
